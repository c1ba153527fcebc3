import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canary, foundIn } from '../support/canaries.ts';
import { until } from '../support/engine.ts';
import { rawAnswer } from '../support/raw-request.ts';
import { Serving } from '../support/serve.ts';
import { newKey, type Sshd, startSshd } from '../support/sshd.ts';

/** PROMISES X1 for the service: each is a word that nothing else in the world has. */
const SECRETS = {
  password: canary(),
  passphrase: canary(),
  env: canary(),
  stdin: canary(),
  command: canary(),
  inline: canary(),
  wrongToken: canary(),
  tenantToken: canary(),
};

let dir: string;
let sshd: Sshd;
let serving: Serving;
/** What was answered, head and body, by what was asked. */
const replies: Record<string, string> = {};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-http-canary-'));
  sshd = await startSshd({ config: ['PasswordAuthentication yes', 'AcceptEnv CANARY_TAKEN'] });
  newKey(join(dir, 'stranger'));
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'another', '-f', join(dir, 'locked')]);
  writeFileSync(join(dir, 'tenant'), SECRETS.tenantToken, { mode: 0o600 });
  writeFileSync(
    join(dir, 'keylane.yaml'),
    `serve:\n  tokens:\n    - name: tenant\n      token: file:${join(dir, 'tenant')}\n`,
  );
  serving = await Serving.start(
    ['--config', join(dir, 'keylane.yaml'), '--log-level', 'trace', '--audit', join(dir, 'audit')],
    undefined,
    { CANARY_PASSWORD: SECRETS.password, CANARY_PASSPHRASE: SECRETS.passphrase },
  );
});
afterAll(async () => {
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function ask(what: string, path: string, body?: unknown, headers: Record<string, string> = {}, method?: string) {
  const { status, headers: head, text } = await serving.ask(path, { body, headers, ...(method && { method }) });
  replies[what] = `${status} ${JSON.stringify(head)} ${text}`;
  return { status, text };
}

/** A request with all that is secret in one. The host is asked for nothing that comes back. */
function secretly(other: object = {}): object {
  const { port, user, identity, knownHosts } = sshd;
  return {
    driver: 'ssh',
    request: {
      ...{ host: '127.0.0.1', port, user, identity, knownHosts, agent: 'none' },
      ...{ password: 'env:CANARY_PASSWORD', passphrase: 'env:CANARY_PASSPHRASE' },
      ...{ env: { CANARY_TAKEN: SECRETS.env }, stdin: SECRETS.stdin, command: `: ${SECRETS.command}; cat >/dev/null` },
      ...other,
    },
  };
}

test('no secret is in any reply, log line, audit, figure, file or argument of the service, whatever goes wrong (X1)', async () => {
  const { token } = serving;
  expect((await ask('taken', '/v1/run', secretly())).text).toContain('"outcome":"ok"');
  const [stranger, locked] = [join(dir, 'stranger'), join(dir, 'locked')];
  expect((await ask('refused', '/v1/run', secretly({ identity: stranger }))).text).toContain('ERR_AUTH');
  expect((await ask('locked', '/v1/run', secretly({ identity: locked }))).status).toBeGreaterThanOrEqual(500);
  expect((await ask('stream', '/v1/stream', secretly())).text).toContain('"outcome":"ok"');
  await ask('cut', '/v1/stream', secretly({ command: `: ${SECRETS.command}; kill -9 $PPID` }));
  for (const [what, request] of Object.entries({
    'an inline password': { password: SECRETS.inline },
    'an inline passphrase': { passphrase: SECRETS.inline },
    'a password in sudo': { sudo: { password: SECRETS.inline } },
    'a bad stdin': { stdin: [SECRETS.inline] },
    'a bad variable': { env: { A: { b: SECRETS.inline } } },
    'a bad command': { command: { text: SECRETS.inline } },
    'a field that is not there': { pasword: SECRETS.inline },
    'a password in a jump': { jump: `me:${SECRETS.inline}@127.0.0.1` },
  }))
    for (const path of ['/v1/run', '/v1/stream'])
      expect((await ask(`${what} by ${path}`, path, secretly(request))).status).toBe(400);
  const forTenant = { authorization: `Bearer ${SECRETS.tenantToken}` };
  expect((await ask('tenant', '/v1/principal', undefined, forTenant)).text).toContain('"tenant"');
  expect((await ask('not for the tenant', '/v1/run', secretly(), forTenant)).status).toBe(403);
  expect(
    (await ask('a wrong token', '/v1/run', secretly(), { authorization: `Bearer ${SECRETS.wrongToken}` })).status,
  ).toBe(401);
  expect((await ask('a token in the query', `/v1/stats?token=${SECRETS.wrongToken}`)).status).toBe(400);
  expect((await ask('a token where none is asked for', `/livez?token=${SECRETS.wrongToken}`)).status).toBe(200);
  await odd();
  await batches();
  const texts = await everything();
  expect(texts.log).toContain('/v1/run');
  expect(texts.audit).toContain('"principal":"admin"');
  expect(texts.metrics).toContain('keylane_');
  expect(foundIn({ ...SECRETS, token }, { ...replies, ...texts })).toEqual([]);
});

/** What is no JSON, and no HTTP. */
async function odd(): Promise<void> {
  const { host } = new URL(serving.url);
  const head = `Host: ${host}\r\nAuthorization: Bearer ${serving.token}\r\nConnection: close\r\nContent-Type: application/json`;
  for (const [what, text] of Object.entries({
    'no JSON':
      `POST /v1/run HTTP/1.1\r\n${head}\r\nContent-Length: 60\r\n\r\n{"stdin":${SECRETS.inline}${' '.repeat(60)}`.slice(
        0,
        -9,
      ),
    'no HTTP': `POST /v1/run HTTP/1.1\r\n${head}\r\nX-Bad: ${SECRETS.inline}\0\r\n\r\n`,
    'a head that is too long': `POST /v1/run HTTP/1.1\r\n${head}\r\nX-Long: ${SECRETS.inline.repeat(1_000)}\r\n\r\n`,
    'another host': `GET /livez HTTP/1.1\r\nHost: elsewhere\r\nAuthorization: Bearer ${SECRETS.wrongToken}\r\nConnection: close\r\n\r\n`,
  })) {
    replies[what] = await rawAnswer(serving.url, text);
    expect(replies[what]).toMatch(/^HTTP\/1\.1 4/);
  }
}

/** Without stdin and environment: what a job is given stays in the input that is kept of its batch. */
async function batches(): Promise<void> {
  const { port, user, knownHosts } = sshd;
  const login = { host: '127.0.0.1', port, user, knownHosts, agent: 'none', password: 'env:CANARY_PASSWORD' };
  const job = JSON.stringify({
    driver: 'ssh',
    request: { ...login, identity: join(dir, 'stranger'), command: 'true' },
  });
  const bad = JSON.stringify({ driver: 'ssh', request: { ...login, password: SECRETS.inline, command: 'true' } });
  const send = (what: string, path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${serving.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${serving.token}`, 'content-type': 'application/x-ndjson', ...headers },
      body: `${body}\n`,
    }).then(async (answer) => {
      replies[what] = `${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`;
      return answer;
    });
  expect((await send('a bad job', '/v1/batches', bad, { 'idempotency-key': 'a' })).status).toBe(400);
  await send('a bad job of a live batch', '/v1/batches?journal=false', bad);
  const made = await send('a batch', '/v1/batches', job, { 'idempotency-key': 'b' });
  expect(made.status).toBe(201);
  const path = made.headers.get('location') as string;
  await until(async () => /"state":"done"/.test((await ask('its state', path)).text));
  for (const part of ['/results', '/report']) await ask(`its${part}`, `${path}${part}`);
}

/** All that the service says anywhere, and all that anybody on this machine can see of its processes. */
async function everything(): Promise<Record<string, string>> {
  for (const path of [
    '/metrics',
    '/v1/stats',
    '/v1/stats/history',
    '/v1/events',
    '/v1/hosts',
    '/v1/accounts',
    '/openapi.json',
  ])
    await ask(path, path);
  const files = (readdirSync(serving.dataDir, { recursive: true }) as string[])
    .filter((file) => file !== 'serve.token' && statSync(join(serving.dataDir, file)).isFile())
    .map((file) => [file, readFileSync(join(serving.dataDir, file), 'latin1')]);
  return {
    ...Object.fromEntries(files),
    metrics: replies['/metrics'] as string,
    log: serving.out + serving.err,
    audit: readFileSync(join(dir, 'audit'), 'utf8'),
    ps: execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }),
  };
}
