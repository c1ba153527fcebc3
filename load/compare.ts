// `node dist/load/compare.js COMMIT COMMIT SCENARIO [--rounds N] [--native yes|no]`
// Builds two commits side by side and runs one scenario of each in turn: A B A B A B.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median, round } from './measure.js';
import type { Figures, Report } from './scenario.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const USAGE = 'node dist/load/compare.js COMMIT COMMIT SCENARIO [--rounds N] [--native yes|no]';
const LONGEST_MS = 10 * 60_000;

process.exitCode = main();

/** 0: compared; 2: it could not be. Which of the two is better is for the reader. */
function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '3' }, native: { type: 'string', default: 'yes' } },
  });
  const rounds = Number(values.rounds);
  const [first, second, scenario] = positionals;
  const wrong = scenario === undefined || positionals.length > 3 || !Number.isInteger(rounds) || rounds < 1;
  if (wrong || first === undefined || second === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'keylane-compare-'));
  try {
    const commits = [first, second].map((name) => git(['rev-parse', '--verify', '--short', `${name}^{commit}`]).trim());
    const [a, b] = commits as [string, string];
    const folders = commits.map((commit) => build(commit, join(scratch, commit)));
    const reports: Report[][] = [[], []];
    for (let i = 0; i < rounds * 2; i++) reports[i % 2]!.push(run(folders[i % 2]!, scenario, values.native));
    const changed = spawnSync('git', ['diff', '--quiet', a, b, '--', 'load'], { cwd: ROOT }).status !== 0;
    if (changed)
      process.stderr.write('load/ differs between the two: a figure may differ because it is measured otherwise\n');
    process.stdout.write(
      `${JSON.stringify({ scenario, rounds, commits: [a, b], figures: compare(reports) }, null, 2)}\n`,
    );
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** `git archive` and not a worktree: nothing stays behind in the repository, however this ends. */
function build(commit: string, folder: string): string {
  // The same commit twice tells how much the machine alone makes of a difference.
  const unique = spawnSync('test', ['-e', folder]).status === 0 ? `${folder}-again` : folder;
  mkdirSync(unique);
  execFileSync('tar', ['-x', '-C', unique], { input: git(['archive', commit], 'buffer') });
  if (sameDependencies(unique)) symlinkSync(join(ROOT, 'node_modules'), join(unique, 'node_modules'));
  else step(unique, 'npm', ['ci', '--silent']);
  step(unique, process.execPath, ['scripts/build.mjs']);
  return unique;
}

function sameDependencies(folder: string): boolean {
  return ['package-lock.json', 'package.json'].every(
    (file) => dependencies(join(folder, file)) === dependencies(join(ROOT, file)),
  );
}

function dependencies(file: string): string {
  const { packages, dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8'));
  return JSON.stringify({ packages, dependencies, devDependencies });
}

function run(folder: string, scenario: string, native: string): Report {
  const argv = ['dist/load/run.js', scenario, '--native', native];
  const { stdout, stderr } = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8', timeout: LONGEST_MS });
  // Its exit status tells whether the targets were reached, which is not the question.
  if (stdout === '') throw new Error(`${scenario} in ${folder}: ${stderr}`);
  return JSON.parse(stdout) as Report;
}

function step(cwd: string, command: string, argv: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, argv, { cwd, encoding: 'utf8', timeout: LONGEST_MS });
  if (status !== 0) throw new Error(`${command} ${argv.join(' ')} in ${cwd} failed:\n${stdout}${stderr}`);
}

function git(argv: string[]): string;
function git(argv: string[], encoding: 'buffer'): Buffer;
function git(argv: string[], encoding?: 'buffer'): string | Buffer {
  const options = { cwd: ROOT, maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'] as ('ignore' | 'pipe')[] };
  return encoding ? execFileSync('git', argv, options) : execFileSync('git', argv, { ...options, encoding: 'utf8' });
}

/** Each figure, peer's figure and ratio that both commits have: medians over the rounds, and the second over the first. */
function compare(reports: Report[][]): Record<string, { medians: number[]; change: number }> {
  const [a, b] = reports.map((side) => side.map(({ figures, peers, ratios }) => flat({ figures, peers, ratios })));
  const names = Object.keys(a![0]!).filter((name) => name in b![0]!);
  return Object.fromEntries(
    names.map((name) => {
      const medians = [a!, b!].map((side) => round(median(side.map((figures) => figures[name]!))));
      return [name, { medians, change: round(medians[1]! / medians[0]!) }];
    }),
  );
}

function flat(figures: Figures, path = ''): Record<string, number> {
  const entries = Object.entries(figures).map(([name, value]): Record<string, number> => {
    const at = path === '' ? name : `${path}: ${name}`;
    if (typeof value === 'object') return flat(value, at);
    return typeof value === 'number' ? { [at]: value } : {};
  });
  return Object.assign({}, ...entries) as Record<string, number>;
}
