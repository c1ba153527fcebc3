import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { Audit } from '../../../src/server/audit.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';

const LINE = {
  principal: 'ci',
  address: '127.0.0.1',
  route: 'POST /v1/run',
  driver: 'ssh',
  outcome: 'ok',
  ms: 1.23456,
};
const silent = pino({ level: 'silent' });

let file: string;
let clock: FakeClock;
beforeEach(() => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-audit-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  file = join(dir, 'audit.ndjson');
  clock = new FakeClock();
});

function opened(log = silent): Audit {
  const audit = new Audit(file, log, clock);
  onTestFinished(() => audit.close());
  return audit;
}

const linesOf = (path = file) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('lines are appended at the end of the turn, to a file for its owner alone', async () => {
  const umask = process.umask(0);
  onTestFinished(() => void process.umask(umask));
  const audit = opened();
  audit.add({ ...LINE, key: 'web-1:22' });
  audit.add({ ...LINE, key: 'quoted " \n \u2028', outcome: 'not_started', code: 'ERR_CONNECT' });
  expect(readFileSync(file, 'utf8')).toBe('');
  await settled();
  expect(linesOf()).toEqual([
    { time: expect.any(String), ...LINE, key: 'web-1:22', ms: 1.235 },
    {
      ...{ time: expect.any(String), ...LINE, key: 'quoted " \n \u2028' },
      ...{ outcome: 'not_started', code: 'ERR_CONNECT', ms: 1.235 },
    },
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  audit.close();
  const again = opened();
  again.add(LINE);
  again.close();
  expect(linesOf()).toHaveLength(3);
});

test('a file that was moved away is made anew', async () => {
  const audit = opened();
  audit.add(LINE);
  await settled();
  renameSync(file, `${file}.1`);
  clock.advance(1_000);
  audit.add({ ...LINE, key: 'later' });
  await settled();
  expect(linesOf(`${file}.1`)).toHaveLength(1);
  expect(linesOf()).toMatchObject([{ key: 'later' }]);
});

test('a file that others may change, a link, and what is no file are refused', () => {
  const other = `${file}.other`;
  writeFileSync(other, '');
  symlinkSync(other, file);
  expect(() => opened()).toThrow(`createService.audit: ${file} cannot be opened: ELOOP`);
  rmSync(file);
  writeFileSync(file, '');
  chmodSync(file, 0o620);
  expect(() => opened()).toThrow('can be changed by others');
  rmSync(file);
  expect(() => new Audit(`${file}/no/such`, silent, clock)).toThrow('cannot be opened: ENOENT');
  expect(() => new Audit('/dev/null', silent, clock)).toThrow('is no file');
});

test('a file that cannot be written is told of once, and how much was lost when it can be again', async () => {
  const told: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => void told.push(JSON.parse(line)) });
  const audit = opened(log);
  renameSync(file, `${file}.1`);
  symlinkSync('/dev/full', file);
  clock.advance(1_000);
  for (let i = 0; i < 2; i++) {
    audit.add(LINE);
    audit.add(LINE);
    await settled();
  }
  rmSync(file);
  clock.advance(1_000);
  audit.add(LINE);
  await settled();
  expect(told.map(({ msg, lost }) => ({ msg, lost }))).toMatchObject([
    { msg: 'the audit cannot be written' },
    { msg: 'the audit is written again; lines were lost' },
  ]);
  expect(told[1]?.lost).toBeGreaterThan(0);
  expect(linesOf().length + linesOf(`${file}.1`).length + Number(told[1]?.lost)).toBe(5);
});

test('without a file the lines go to the log, marked', () => {
  const told: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line: string) => void told.push(line) });
  new Audit(undefined, log, clock).add(LINE);
  expect(told.map((line) => JSON.parse(line))).toEqual([{ level: 30, audit: true, ...LINE }]);
  log.level = 'warn';
  new Audit(undefined, log, clock).add(LINE);
  expect(told).toHaveLength(1);
});
