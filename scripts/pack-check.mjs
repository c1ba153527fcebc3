// Is the package whole? Packs it, installs the tarball into empty folders, with npm's install scripts and without, and uses
// it there as a user would: the library, the command and the types. The last line is `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'keylane-pack-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const RUN = `
import { createEngine } from 'keylane';
const engine = await createEngine({ shards: 1 });
try {
  const { payload } = await engine.run('echo', { key: 'web-17', payload: 'hello' });
  if (payload !== 'hello') throw new Error('the answer is ' + JSON.stringify(payload));
} finally {
  await engine.close();
}
`;

const TYPES = `
import { createEngine, KeylaneError, type SshResponse } from 'keylane';
import { type Client, connect, type Requester } from 'keylane/client';
const engine = await createEngine({ shards: 1 });
const client: Client = await connect({ url: 'http://127.0.0.1:7473' });
const either: Requester[] = [engine, client];
try {
  const { code }: SshResponse = await engine.run('ssh', { host: 'web-17', command: 'uptime' }, { timeoutMs: 10_000 });
  const payload: unknown = (await engine.run('echo', { key: 'web-17' })).payload;
  console.log(code, payload);
  for (const one of either) for await (const { outcome } of one.batch('echo', [{ key: 'a' }])) console.log(outcome);
  // @ts-expect-error a request without a host is refused by the types
  await engine.run('ssh', { command: 'uptime' });
} catch (error) {
  if (error instanceof KeylaneError) console.log(error.code, error.outcome);
} finally {
  await engine.close();
}
`;

const CLIENT = `
import { createServer } from 'node:http';
import { connect, KeylaneError } from 'keylane/client';
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"key":"web-17","outcome":"ok","response":{"payload":"hello"}}');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const client = await connect({ url: 'http://127.0.0.1:' + server.address().port });
try {
  const { payload } = await client.run('echo', { key: 'web-17', payload: 'hello' });
  if (payload !== 'hello') throw new Error('the answer is ' + JSON.stringify(payload));
} catch (error) {
  throw error instanceof KeylaneError ? new Error(error.code, { cause: error }) : error;
} finally {
  await client.close();
  server.close();
}
`;

let passed = 0;
let failed = 0;

const packed = run(ROOT, 'npm', 'pack', '--silent', '--pack-destination', scratch);
const tarball = join(scratch, packed.stdout.trim().split('\n').at(-1) ?? '');
check('npm pack makes a tarball', packed.status === 0 && existsSync(tarball), packed);
if (failed === 0) {
  use('as it is', []);
  use('without install scripts', ['--ignore-scripts']);
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function use(how, flags) {
  const dir = mkdtempSync(join(scratch, 'user-'));
  run(dir, 'npm', 'init', '-y');
  writeFileSync(join(dir, 'run.mjs'), RUN);
  writeFileSync(join(dir, 'client.mjs'), CLIENT);
  writeFileSync(join(dir, 'types.mts'), TYPES);
  const install = run(dir, 'npm', 'install', '--no-audit', '--no-fund', ...flags, tarball);
  check(`installed ${how}`, install.status === 0, install);
  const library = run(dir, process.execPath, 'run.mjs');
  check(`installed ${how}, the library runs a request`, library.status === 0, library);
  const client = run(dir, process.execPath, 'client.mjs');
  check(`installed ${how}, the client asks a service`, client.status === 0, client);
  const command = run(dir, 'npx', '--no-install', 'keylane', '--version');
  check(`installed ${how}, the command tells its version`, /^\d+\.\d+\.\d+\n$/.test(command.stdout), command);
  const types = run(dir, process.execPath, ...tsc(), 'types.mts');
  check(`installed ${how}, the types fit`, types.status === 0, types);
}

/** Our TypeScript and @types/node, the user's everything else. */
function tsc() {
  const bin = join(ROOT, 'node_modules/typescript/bin/tsc');
  const roots = join(ROOT, 'node_modules/@types');
  const options =
    '--noEmit --strict --ignoreConfig --module nodenext --target es2023 --lib es2023,esnext.disposable --types node';
  return [bin, ...options.split(' '), '--skipLibCheck', 'false', '--typeRoots', roots];
}

/** A minute or two each at most: npm fetches five packages and what they need. */
function run(cwd, program, ...argv) {
  return spawnSync(program, argv, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 180_000 });
}

function check(what, ok, { stdout, stderr, error }) {
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? 'ok' : 'FAILED'}: ${what}`);
  if (!ok) console.log([error?.message, stdout, stderr].filter(Boolean).join('\n'));
}
