import { Agent } from 'node:http';
import { describe, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { type Answer, Serving } from '../support/serve.ts';

/** An echo that takes so long, once it is under way. */
async function underWay(serving: Serving, delayMs: number, agent?: Agent): Promise<{ answer: Promise<Answer> }> {
  const answer = serving.echo(delayMs, agent && { agent });
  answer.catch(() => {});
  await serving.until('err', '"path":"/v1/run","msg":"asked"');
  return { answer };
}

const refused = (serving: Serving) =>
  serving.socket().then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
  );

describe.concurrent('SIGTERM', () => {
  test('lets what is in flight finish, and connects to nobody any more', async () => {
    const serving = await Serving.start(['--log-level', 'trace']);
    const { answer } = await underWay(serving, 1_500);
    serving.child.kill('SIGTERM');
    await until(() => refused(serving));
    expect((await answer).status).toBe(200);
    expect((await serving.end()).status).toBe(0);
    expect(serving.err).toContain('"msg":"stopped"');
  });

  test('closes a connection that would be kept alive when its answer has ended', async () => {
    const serving = await Serving.start(['--log-level', 'trace']);
    const agent = new Agent({ keepAlive: true });
    const { answer } = await underWay(serving, 500, agent);
    serving.child.kill('SIGTERM');
    expect((await answer).status).toBe(200);
    expect((await serving.end()).status).toBe(0);
    expect(serving.err).not.toContain('what is in flight is cut');
    agent.destroy();
  });

  test('closes connections that nothing is asked on', async () => {
    const serving = await Serving.start(['--log-level', 'trace']);
    const agent = new Agent({ keepAlive: true });
    await serving.ask('/livez', { agent });
    const silent = await serving.socket();
    const half = await serving.socket();
    half.write('GET /livez HTTP/1.1\r\nHost: 127.');
    const ended = [silent, half].map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)));
    serving.child.kill('SIGTERM');
    expect((await serving.end()).status).toBe(0);
    await Promise.all(ended);
    expect(serving.err).not.toContain('what is in flight is cut');
    agent.destroy();
  });

  test('is seen at /readyz first where that is asked for, while all is served', async () => {
    const serving = await Serving.start(['--drain-delay', '1s']);
    expect((await serving.ask('/readyz')).status).toBe(200);
    serving.child.kill('SIGTERM');
    await until(async () => (await serving.ask('/readyz')).status === 503);
    expect((await serving.ask('/livez')).status).toBe(200);
    expect((await serving.echo(0)).status).toBe(200);
    expect((await serving.end()).status).toBe(0);
  });

  test('cuts what does not end in time, and tells so', async () => {
    const serving = await Serving.start(['--close-timeout', '300ms', '--log-level', 'trace']);
    const { answer } = await underWay(serving, 120_000);
    serving.child.kill('SIGTERM');
    const { status, text } = await answer;
    expect(status).toBeGreaterThanOrEqual(500);
    expect(JSON.parse(text)).toMatchObject({ code: 'ERR_CLOSED' });
    expect((await serving.end()).status).toBe(0);
    expect(serving.err).toContain('what is in flight is cut');
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('and then %s cuts at once, and the status tells so', async (signal, expected) => {
    const serving = await Serving.start(['--log-level', 'trace']);
    const { answer } = await underWay(serving, 120_000);
    serving.child.kill('SIGTERM');
    await until(() => refused(serving));
    serving.child.kill(signal);
    expect(JSON.parse((await answer).text)).toMatchObject({ code: 'ERR_CLOSED' });
    expect((await serving.end()).status).toBe(expected);
  });
});
