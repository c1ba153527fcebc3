// `npm test`: everything, in order, going on after a failure. `npm test -- unit`, `npm test -- lint types` or
// `npm test -- test/unit/routing.test.ts` runs a part; `npm run test:long`, with the same words, sets KEYLANE_LONG, with
// which tests of random choices make many more of them. The last line is `N passed, N failed`: tests and steps together.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

if (process.argv.includes('--long')) process.env.KEYLANE_LONG = '1';

/** A step that takes longer hangs: Vitest cannot end a test that spins. All of them together are to take a few minutes. */
const LONGEST_MS = (process.env.KEYLANE_LONG ? 120 : 8) * 60_000;

const CHECKS = [
  { name: 'types', title: 'the tests type-check', argv: ['typescript/bin/tsc', '-p', 'test/tsconfig.json'] },
  {
    name: 'lint',
    title: 'Biome finds nothing',
    argv: ['@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  },
  { name: 'knip', title: 'no file, export or dependency is unused', argv: ['knip/bin/knip.js', '--no-config-hints'] },
  { name: 'imports', title: 'imports point one way', argv: ['../scripts/imports.mjs'] },
];

/**
 * Vitest projects: folders of test/. `atOnce`: files at the same time, else as many as Vitest likes, which is one on two
 * cores. Most files wait more than they work.
 */
const PROJECTS = [
  { name: 'unit', title: 'each part alone, by the fake clock, without thread or socket', atOnce: 2 },
  { name: 'sim', title: 'the parts together against a model, simulated', atOnce: 2 },
  { name: 'thread', title: 'the wall: real worker threads', atOnce: 2 },
  { name: 'driver', title: 'the drivers against real peers', needsPeers: true, atOnce: 2 },
  { name: 'fault', title: 'one fault each: cut, killed, hung, lied to', needsPeers: true, atOnce: 2 },
  { name: 'api', title: 'what is public, documented and allowed' },
  { name: 'e2e', title: 'the whole, as a user has it', needsPeers: true, atOnce: 2 },
];

const PEERS = [
  ['openssh-server', '/usr/sbin/sshd'],
  ['openssh-client', '/usr/bin/ssh'],
  ['openssh-client', '/usr/bin/ssh-keygen'],
  ['dropbear-bin', '/usr/sbin/dropbear'],
  ['dash', '/usr/bin/dash'],
  ['zsh', '/usr/bin/zsh'],
  ['mksh', '/usr/bin/mksh'],
  ['ksh', '/usr/bin/ksh93'],
  ['busybox', '/usr/bin/busybox'],
  ['fish', '/usr/bin/fish'],
  ['csh', '/usr/bin/bsd-csh'],
  ['tcsh', '/usr/bin/tcsh'],
  ['openssl', '/usr/bin/openssl'],
  ['postfix', '/usr/sbin/smtp-sink'],
  ['postfix', '/usr/lib/postfix/sbin/master'],
  ['libxml2-utils', '/usr/bin/xmllint'],
  ['redis-server', '/usr/bin/redis-server'],
  ['chromium', '/usr/bin/chromium'],
  ['systemd', '/usr/bin/systemd-notify'],
  ['systemd', '/usr/bin/systemd-analyze'],
];

const passed = [];
const failed = [];
const scratch = mkdtempSync(join(tmpdir(), 'keylane-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const wanted = process.argv.slice(2).filter((word) => word !== '--long');
const known = [...CHECKS, ...PROJECTS].map(({ name }) => name);
const names = wanted.filter((word) => known.includes(word));
const paths = wanted.filter((word) => !known.includes(word));
process.env.SEED ||= String(Math.floor(Math.random() * 2 ** 32));
await main();

async function main() {
  title('build', 'src, workers and load into dist/');
  if (!note('build', (await node(['scripts/build.mjs'])) === 0)) return finish();
  for (const { name, title: what, argv } of CHECKS.filter(({ name }) => isWanted(name))) {
    title(name, what);
    note(name, (await node([join('node_modules', argv[0]), ...argv.slice(1)])) === 0);
  }
  const projects = PROJECTS.filter(({ name }) => isWanted(name));
  if (projects.some(({ needsPeers }) => needsPeers)) {
    title('peers', 'the real servers, clients and shells are there');
    note('peers', havePeers());
  }
  for (const project of projects) await runProject(project);
  finish();
}

/** Without words all; a step by its name; a path picks the project whose folder it is in, or all. */
function isWanted(name) {
  if (wanted.length === 0 || names.includes(name)) return true;
  if (!PROJECTS.some((project) => project.name === name)) return false;
  return paths.some((path) => PROJECTS.every((other) => !inFolder(path, other.name)) || inFolder(path, name));
}

function inFolder(path, name) {
  return path.replace(/^\.\//, '').startsWith(`test/${name}/`);
}

async function runProject({ name, title: what, atOnce }) {
  title(name, what);
  if (!hasTests(name)) return console.log('no tests here yet');
  const report = join(scratch, `${name}.json`);
  // test/unit is two projects (vitest.config.ts).
  const argv = ['run', '--project', `${name}*`, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  if (atOnce) argv.push(`--maxWorkers=${atOnce}`);
  if (paths.length > 0) argv.push('--passWithNoTests');
  const status = await node(['node_modules/vitest/vitest.mjs', ...argv, ...paths]);
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {};
  const { numPassedTests = 0, numFailedTests = 0, testResults = [] } = counts;
  for (let i = 0; i < numPassedTests; i++) passed.push(name);
  for (const file of testResults) {
    for (const test of file.assertionResults) if (test.status === 'failed') failed.push(`${name}: ${test.fullName}`);
  }
  // A file that does not load, a leaked error, a hang: no test of its own failed.
  if (status !== 0 && numFailedTests === 0)
    failed.push(`${name}: vitest ended with ${status}${status === 'SIGKILL' ? ', for it hung' : ''}`);
}

function hasTests(name) {
  const folder = join(ROOT, 'test', name);
  return (
    existsSync(folder) && readdirSync(folder, { recursive: true }).some((file) => String(file).endsWith('.test.ts'))
  );
}

function title(name, what) {
  console.log(`\n== ${name}: ${what}`);
}

function note(name, ok) {
  (ok ? passed : failed).push(name);
  if (ok) console.log(`ok: ${name}`);
  return ok;
}

/** Runs a program of Node's from the root; resolves with its exit status, or what ended it. */
function node(argv) {
  return new Promise((resolve) => {
    // A group of its own, so that a hang is killed with all that it has started.
    const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    const kill = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Gone.
      }
    };
    const interrupted = () => {
      kill();
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    const timer = setTimeout(kill, LONGEST_MS);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      resolve(code ?? signal);
    });
  });
}

/** The real peers and shells of the tests: a Debian package, and a file of it. As root what is missing is installed. */
function havePeers() {
  const missing = () => PEERS.filter(([, file]) => !existsSync(file));
  if (missing().length > 0 && process.getuid?.() === 0) {
    const apt = (...argv) => {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      return spawnSync('apt-get', ['-qq', ...argv], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
    };
    const packages = [...new Set(missing().map(([name]) => name))];
    const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
    console.log(`installing ${packages.join(', ')}`);
    if (!install() && apt('update')) install();
  }
  for (const [name, file] of missing()) console.error(`missing: ${file}. As root: apt-get install ${name}`);
  return missing().length === 0;
}

function finish() {
  if (failed.length > 0) {
    console.log(`\nfailed:\n${failed.map((what) => `  ${what}`).join('\n')}`);
    console.log(`SEED=${process.env.SEED} npm test repeats the random choices of this run`);
  }
  console.log(`\n${passed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
