import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAccounts } from 'keylane';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTokenServer, type TokenServer } from '../support/token-server.js';
import { Cli, run } from './exec-cli.js';

let dir: string;
let server: TokenServer;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-login-'));
  // A device asks once a second at most, so that is how long each of these takes.
  server = await startTokenServer({ address: '127.0.0.28', device: { interval: 1 } });
  delete server.options.clientSecret;
  await using accounts = openAccounts({ dataDir: dir });
  await accounts.add({
    name: 'sales',
    driver: 'smtp',
    endpoint: { host: 'mail.example' },
    user: 'sales@mail.example',
    oauth: {
      grant: 'device',
      tokenUrl: server.tokenUrl,
      deviceUrl: server.deviceUrl,
      clientId: 'client',
      refreshToken: `file:${join(dir, 'sales.refresh')}`,
    },
  });
});
afterEach(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});

const login = () => new Cli(['accounts', 'login', 'sales', '--data-dir', dir]);
const SHOWN = () => `open ${server.url}/activate and type WDJB-MJHT, within 10 min\n`;

describe('keylane accounts login', () => {
  test('shows a code, waits for the person, and stores the login, with which the account verifies', async () => {
    const cli = login();
    await cli.until('err', SHOWN());
    server.decision = 'yes';
    expect(await cli.end()).toEqual({ status: 0, out: 'logged in sales\n', err: SHOWN() });
    const file = join(dir, 'sales.refresh');
    expect(readFileSync(file, 'utf8')).toMatch(/^refresh-[0-9a-f-]{36}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { status, out } = await run(['accounts', 'verify', 'sales', '--format', 'ndjson', '--data-dir', dir]);
    expect([status, JSON.parse(out)]).toMatchObject([0, { name: 'sales', tried: 'token', ok: true }]);
    expect(server.asked.at(-1)?.form.get('grant_type')).toBe('refresh_token');
  });

  test('says that the person has said no', async () => {
    server.decision = 'no';
    const { status, out, err } = await login().end();
    expect([status, out]).toEqual([1, '']);
    expect(err).toMatch(/account sales: the token server .* access_denied \(400\)/);
    expect(existsSync(join(dir, 'sales.refresh'))).toBe(false);
  });

  test('is interrupted by ctrl-c, and refuses an account of another kind', async () => {
    const cli = login();
    await cli.until('err', SHOWN());
    cli.child.kill('SIGINT');
    expect(await cli.end()).toMatchObject({ status: 130, out: '' });
    expect(await run(['accounts', 'login', 'sale', '--data-dir', dir])).toMatchObject({ status: 2 });
    await run(['accounts', 'add', 'web', '--host', 'web.example', '--data-dir', dir]);
    expect(await run(['accounts', 'login', 'web', '--data-dir', dir])).toMatchObject({
      status: 2,
      err: expect.stringContaining('account web: oauth: expected where its access tokens come from'),
    });
  });
});
