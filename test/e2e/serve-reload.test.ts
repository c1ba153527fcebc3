import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/engine.ts';
import { Serving } from '../support/serve.ts';

const [FIRST, SECOND] = ['first-token-of-the-reload-tests', 'second-token-of-the-reload-tests'];

test.each([
  ['', []],
  [' with nobody above it', ['--no-restart']],
])(
  'a service without a terminal%s reads its tokens anew when it gets SIGHUP, and goes on where they are bad',
  async (_who, args) => {
    const dir = mkdtempSync(join(tmpdir(), 'keylane-reload-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const config = join(dir, 'keylane.yaml');
    const write = (token: string) =>
      writeFileSync(config, `serve:\n  tokens:\n    - { name: ci, token: '${token}' }\n`);
    const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    write(sha256(FIRST));
    const serving = await Serving.start(['--config', config, ...args]);
    const status = async (token: string) =>
      (await serving.ask('/v1/principal', { headers: { authorization: `Bearer ${token}` } })).status;
    expect([await status(FIRST), await status(SECOND)]).toEqual([200, 401]);
    const slow = serving.echo(500);
    write(sha256(SECOND));
    serving.child.kill('SIGHUP');
    await until(async () => (await status(SECOND)) === 200);
    expect(await status(FIRST)).toBe(401);
    expect((await slow).status).toBe(200);
    write('in the open');
    serving.child.kill('SIGHUP');
    await serving.until('err', 'not reloaded: ');
    expect(serving.err).toContain('keylane.yaml:3: serve.tokens[0].token: expected `env:NAME`');
    expect(await status(SECOND)).toBe(200);
    serving.child.kill('SIGTERM');
    expect((await serving.end()).status).toBe(0);
  },
);
