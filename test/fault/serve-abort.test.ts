import { describe, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { descendants, kill } from '../support/process-tree.ts';
import { Serving } from '../support/serve.ts';

/** W7: the process that serves can only die; the one above it starts it again. */
describe.concurrent('a service that dies', () => {
  test.each(['SIGABRT', 'SIGSEGV', 'SIGKILL'] as const)('of %s serves again on the same port', async (signal) => {
    const serving = await Serving.start();
    const [worker] = descendants(serving.child.pid!);
    expect((await serving.echo(0)).status).toBe(200);
    kill(worker!, signal);
    await serving.until('out', '\n', 2);
    expect(serving.out.split('\n')[1]).toBe(serving.out.split('\n')[0]);
    expect((await serving.echo(0)).status).toBe(200);
    expect(serving.err).toContain(`the process died (${signal}`);
    expect(serving.err).toContain('restart 1 of 5');
    serving.child.kill('SIGTERM');
    expect((await serving.end()).status).toBe(0);
  });

  test('and is supervised by somebody else stays dead', async () => {
    const serving = await Serving.start(['--no-restart']);
    expect(descendants(serving.child.pid!)).toEqual([]);
    kill(serving.child.pid!, 'SIGABRT');
    await serving.end();
    expect(serving.child.signalCode).toBe('SIGABRT');
  });

  test('is not started again where it was asked to end', async () => {
    const serving = await Serving.start(['--drain-delay', '1m']);
    const [worker] = descendants(serving.child.pid!);
    serving.child.kill('SIGTERM');
    await until(async () => (await serving.ask('/readyz')).status === 503);
    kill(worker!, 'SIGABRT');
    expect((await serving.end()).status).toBe(143);
  });

  test('before it listens is not started again', async () => {
    const serving = await Serving.start();
    const other = new Serving(['--listen', `127.0.0.1:${serving.port}`]);
    expect(await other.end()).toMatchObject({ status: 2, out: '' });
    expect(other.err).toContain(`cannot listen on 127.0.0.1:${serving.port}: another process does`);
    expect(other.err).not.toContain('restart');
  });
});
