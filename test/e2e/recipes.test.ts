import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { MailServer } from '../support/smtp-server.ts';
import { Desk, type Ran, recipe, Servers } from './recipes.ts';

const LONG = process.env.KEYLANE_LONG !== undefined;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serversOf(names: readonly string[], net: number, config?: readonly string[]): Promise<Servers> {
  const servers = await Servers.start(names, net, config);
  cleanups.push(() => servers.stop());
  return servers;
}

function deskOf(sshConfig?: string): Desk {
  const desk = new Desk(sshConfig);
  cleanups.push(() => desk.clear());
  return desk;
}

const numbered = (prefix: string, count: number, digits: number) =>
  Array.from({ length: count }, (_, at) => `${prefix}${String(at + 1).padStart(digits, '0')}`);

test('The patch level of 500 hosts is a table of 500 rows, one connection each', async () => {
  const { scripts } = recipe('The patch level of 500 hosts');
  const servers = await serversOf(numbered('web-', 500, 3), 201);
  const desk = deskOf(servers.sshConfig);
  const ran = await desk.run(scripts[0]!);
  succeeded(ran);
  expect(ran.err).toContain('500 ok');
  const results = desk.results('patch-level.ndjson');
  expect(new Set(results.map(({ host }) => host)).size).toBe(500);
  const rows = desk.read('patch-level.csv').split('\r\n').slice(1);
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const table = desk.read('patch-level.csv');
  for (const name of ['web-001', 'web-250', 'web-500']) expect(table).toContain(`,${name},`);
  expect(table.split(`"${kernel}\n1:`)).toHaveLength(501);
  expect(rows[0]).toMatch(/^0,0,web-001,[^,]+,ok,0,/);
}, 150_000);

/** An app on each host that is down for two health checks after a restart, or for good where it is broken. */
const SYSTEMCTL = `#!/bin/sh
set -- $SSH_CONNECTION
echo "down $3" >> DIR/log
echo 2 > "DIR/$3"
`;
const CURL = `#!/bin/sh
set -- $SSH_CONNECTION
left=$(cat "DIR/$3")
test -e "DIR/broken-$3" && exit 22
if test "$left" -gt 0; then echo $((left - 1)) > "DIR/$3"; exit 22; fi
echo "up $3" >> DIR/log
`;
const SLEEP = '#!/bin/sh\nexec /bin/sleep 0.05\n';

test('A rolling restart never has two hosts down, and takes none down after one that stays so', async () => {
  const { scripts } = recipe('A rolling restart, one host at a time');
  const fleet = deskOf();
  const state = join(fleet.dir, 'state');
  for (const folder of [state, join(state, 'bin')]) mkdirSync(folder);
  for (const [name, text] of Object.entries({ systemctl: SYSTEMCTL, curl: CURL, sleep: SLEEP }))
    writeFileSync(join(state, 'bin', name), text.replaceAll('DIR', state), { mode: 0o755 });
  // The hosts' user writes here.
  chmodSync(fleet.dir, 0o755);
  chmodSync(state, 0o777);
  const names = numbered('app-', 6, 1);
  const servers = await serversOf(names, 202, [`SetEnv PATH=${join(state, 'bin')}:/usr/bin:/bin`]);
  const log = () => readFileSync(join(state, 'log'), 'utf8').trim().split('\n');
  const address = (name: string) => servers.addressOf(name);
  const roundOf = (hosts: readonly string[]) =>
    hosts.flatMap((name) => [`down ${address(name)}`, `up ${address(name)}`]);

  const desk = deskOf(servers.sshConfig);
  const whole = await desk.run(scripts[0]!);
  succeeded(whole);
  // Down, up, down, up: at no time two are down.
  expect(log()).toEqual(roundOf(names));

  writeFileSync(join(state, 'log'), '');
  chmodSync(join(state, 'log'), 0o666);
  writeFileSync(join(state, `broken-${address('app-3')}`), '');
  const other = deskOf(servers.sshConfig);
  const stopped = await other.run(scripts[0]!);
  expect(stopped.status).toBe(3);
  expect(stopped.err).toContain('keylane batch retry restart-app');
  expect(log()).toEqual([...roundOf(['app-1', 'app-2']), `down ${address('app-3')}`]);

  await other.run(`rm ${join(state, 'broken-*')}`);
  const mended = await other.run(scripts[1]!);
  succeeded(mended);
  expect(log()).toEqual([
    ...roundOf(['app-1', 'app-2']),
    `down ${address('app-3')}`,
    ...roundOf(['app-3', 'app-4', 'app-5', 'app-6']),
  ]);
});

test(
  'Mails from CSV go out through 50 accounts, each once',
  async () => {
    const mails = LONG ? 100_000 : 2_000;
    const { scripts } = recipe('A million mails through 50 accounts');
    const desk = deskOf();
    const server = await MailServer.start({
      authOptional: false,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      onAuth: ({ username, password }, _, done) =>
        password === 'canary-of-mail' ? done(null, { user: username }) : done(new Error('wrong password')),
    });
    cleanups.push(() => server.stop());
    const env = {
      MAILS: String(mails),
      MAIL_HOST: '127.0.0.1',
      MAIL_PORT: String(server.port),
      MAIL_TLS: 'none',
      MAIL_PASSWORD: 'canary-of-mail',
    };
    const ran = await desk.run(scripts[0]!, env);
    succeeded(ran);
    expect(server.mails).toHaveLength(mails);
    expect(new Set(server.mails.map(({ to }) => to.join())).size).toBe(mails);
    // Each by its own account.
    expect(new Set(server.mails.map(({ from, user }) => `${from} ${user}`)).size).toBe(50);
    for (const { from, user } of server.mails) expect(user).toBe(from);
    const results = desk.results('mails.ndjson');
    expect(new Set(results.map(({ id }) => id)).size).toBe(mails);
    expect(`${ran.err}${desk.read('mails.ndjson')}`).not.toContain('canary-of-mail');
  },
  LONG ? 600_000 : 60_000,
);

test('A warmed cache answers when no host is there any more', async () => {
  const { scripts } = recipe('Warm a cache');
  const servers = await serversOf(numbered('web-', 40, 3), 203);
  const desk = deskOf(servers.sshConfig);
  succeeded(await desk.run(scripts[0]!));
  await servers.stop();
  succeeded(await desk.run(scripts[1]!));
  const results = desk.results('answers.ndjson');
  expect(results).toHaveLength(40);
  expect(
    results.every(({ cache, response }) => cache === 'hit' && (response as { stdout: string }).stdout !== ''),
  ).toBe(true);
});

/** What went wrong is in what it says. */
function succeeded({ status, err }: Ran): void {
  if (status !== 0) throw new Error(`exit ${status}: ${err}`);
}
