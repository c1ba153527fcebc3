import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { Serving } from '../support/serve.ts';
import { run } from './exec-cli.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-tls-'));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', join(dir, 'key.pem')];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...key, ...name, '-days', '2', '-out', join(dir, 'cert.pem')], {
    stdio: 'ignore',
  });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.concurrent('keylane serve', () => {
  test('serves HTTPS with a certificate, and stops at once though a handshake was never ended', async () => {
    const serving = await Serving.start(['--tls-cert', join(dir, 'cert.pem'), '--tls-key', join(dir, 'key.pem')]);
    expect(serving.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const ca = readFileSync(join(dir, 'cert.pem'));
    const status = await new Promise((resolve, reject) =>
      request(`${serving.url}/livez`, { ca, agent: false }, (answer) => resolve(answer.resume().statusCode))
        .once('error', reject)
        .end(),
    );
    expect(status).toBe(200);
    const half = await serving.socket();
    half.resume();
    serving.child.kill('SIGTERM');
    expect((await serving.end()).status).toBe(0);
    expect(serving.err).not.toContain('what is in flight is cut');
  });

  test('says where it is and where the token is, in one line, and never the token', async () => {
    const serving = await Serving.start(['--log-level', 'trace']);
    expect(serving.out).toBe(`keylane serves ${serving.url} (token: ${join(serving.dataDir, 'serve.token')})\n`);
    expect((await serving.echo(0)).status).toBe(200);
    serving.child.kill('SIGTERM');
    const { out, err } = await serving.end();
    expect(serving.token).toMatch(/^klt_/);
    expect(out + err).not.toContain(serving.token);
  });

  test('logs more after SIGUSR2, and as before after another; a client with the right token may say it, too', async () => {
    const serving = await Serving.start();
    const level = async () => JSON.parse((await serving.ask('/v1/log-level')).text).level as string;
    expect(await level()).toBe('info');
    serving.child.kill('SIGUSR2');
    await serving.until('err', '"to":"debug"');
    await serving.ask('/livez');
    await serving.until('err', '"path":"/livez","status":200');
    serving.child.kill('SIGUSR2');
    await serving.until('err', '"to":"info"');
    expect((await serving.ask('/v1/log-level', { method: 'PUT', body: { level: 'warn' } })).status).toBe(200);
    expect(await level()).toBe('warn');
    serving.child.kill('SIGTERM');
    expect((await serving.end()).status).toBe(0);
  });

  test('ends live answers when it is to stop', async () => {
    const serving = await Serving.start();
    let text = '';
    const ended = new Promise<void>((resolve, reject) => {
      serving
        .begin('/v1/stats', { headers: { accept: 'text/event-stream' } }, (answer) => {
          answer.setEncoding('utf8').on('data', (piece: string) => {
            text += piece;
          });
          answer.once('end', resolve).once('error', reject);
        })
        .once('error', reject);
    });
    await until(() => text.includes('event: stats'));
    serving.child.kill('SIGTERM');
    await ended;
    expect((await serving.end()).status).toBe(0);
    expect(serving.err).not.toContain('what is in flight is cut');
  });

  test.each([
    [['--listen', 'nowhere'], /--listen "nowhere": write an address and a port/],
    [['--listen', '0.0.0.0:0'], /can be reached from outside/],
    [['--tls-cert', 'a'], /--tls-cert and --tls-key go together/],
    [['--host-keys', 'ask'], /a service has nobody to ask|there is no terminal to ask on/],
    [['--', 'ls'], /serve takes no --/],
    [['--log-level', 'loud'], /--log-level/],
  ] as const)('%j is no command line: 2', async (flags, expected) => {
    const { status, out, err } = await run(['serve', '--data-dir', join(dir, 'data'), ...flags]);
    expect(err).toMatch(expected);
    expect([status, out]).toEqual([2, '']);
  });
});
