import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { type ExportFormat, exportResults } from '../../../../src/batch/report/export.js';
import type { Outcome } from '../../../../src/types.js';
import { type Random, seeded } from '../../../support/seed.js';
import { parseXml, type XmlElement } from '../../../support/xml.js';
import { lineOfTest, type Settled } from './lines.js';

async function exported(format: ExportFormat, settled: readonly Settled[]): Promise<string> {
  const lines = settled.map(lineOfTest);
  let text = '';
  for await (const piece of exportResults(format, { id: 'b & "c"', createdAt: 0, lines: () => lines })) text += piece;
  return text;
}

async function rows(settled: readonly Settled[]): Promise<Record<string, string>[]> {
  return parse(await exported('csv', settled), { columns: true, record_delimiter: '\r\n' }) as Record<string, string>[];
}

/** Bytes as an answer holds them: any character, those that formats stumble over more often. */
function anyText(random: Random): string {
  const special = [
    '"',
    ',',
    '\r',
    '\n',
    '\t',
    '=',
    '+',
    '-',
    '@',
    "'",
    '&',
    '<',
    '>',
    ']]>',
    '\0',
    '\u001b',
    '\ufffe',
    '\ud800',
    '😀',
    ' ',
  ];
  const char = () => (random.below(2) ? random.pick(special) : String.fromCharCode(random.below(0x10000)));
  return Array.from({ length: random.below(12) }, char).join('');
}

const ANSWER = { code: 0, signal: null, stdout: '', stderr: '' };

test('NDJSON is what the journal holds, line by line', async () => {
  const settled = [
    { index: 3, host: 'a' },
    { index: 1, host: 'b' },
  ];
  expect(await exported('ndjson', settled)).toBe(settled.map((one) => `${lineOfTest(one)}\n`).join(''));
});

test('CSV has a column for each thing, empty where there is none', async () => {
  const error = { code: 'ERR_CONNECT', message: 'web-2:22: refused' };
  const text = await exported('csv', [
    {
      index: 0,
      id: 'a',
      host: 'web-1',
      response: { ...ANSWER, code: 3, stdout: 'x\n', stderr: 'no "y"' },
      outcome: 'failed',
      ms: 2.5,
    },
    { index: 1, host: 'web-2', outcome: 'not_started', error },
    { index: 2, key: 'k', response: { accepted: ['a', 'b'] } },
  ]);
  expect(text.split('\r\n')).toEqual([
    'index,id,host,key,outcome,code,signal,stdout,stderr,error_code,error_message,attempts,shard,queued_ms,open_ms,run_ms,response',
    '0,a,web-1,web-1:22,failed,3,,"x\n","no ""y""",,,1,0,0,0,2.5,',
    '1,1,web-2,web-2:22,not_started,,,,,ERR_CONNECT,web-2:22: refused,1,0,0,0,1,',
    '2,2,,k,ok,,,,,,,1,0,0,0,1,"{""accepted"":[""a"",""b""]}"',
    '',
  ]);
});

test('What any host prints comes back from CSV as it was, but for a quote before what a spreadsheet would run', async () => {
  const random = seeded();
  const settled = Array.from({ length: 500 }, (_, index): Settled => {
    const response = { ...ANSWER, stdout: anyText(random), stderr: anyText(random) };
    return { index, id: `i${anyText(random)}`, host: anyText(random), key: anyText(random), response };
  });
  // Half a surrogate pair has no UTF-8.
  const kept = (text: string) => Buffer.from(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).toString();
  const read = await rows(settled);
  expect(read).toHaveLength(settled.length);
  for (const [at, { id, host, key, response }] of settled.entries()) {
    const { stdout, stderr } = response as typeof ANSWER;
    const { id: csvId, host: csvHost, key: csvKey, stdout: csvStdout, stderr: csvStderr } = read[at]!;
    expect([csvId, csvHost, csvKey, csvStdout, csvStderr]).toEqual([id!, host!, key!, stdout, stderr].map(kept));
  }
});

test('No cell of CSV is a formula to a spreadsheet', async () => {
  const bad = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'];
  for (const row of await rows(
    bad.map((stdout) => ({ id: stdout, host: stdout, response: { ...ANSWER, stdout, stderr: stdout } })),
  ))
    for (const cell of Object.values(row)) expect(cell).not.toMatch(/^[=+\-@\t\r]/);
});

test('A JUnit report is XML whatever hosts print, and its counts are those of its cases', async () => {
  const random = seeded();
  const outcomes: Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];
  const codes = ['ERR_CONNECT', 'ERR_STOPPED', 'ERR_CANCELED', 'ERR_TIMEOUT'];
  const settled = Array.from({ length: 500 }, (_, index): Settled => {
    const outcome = random.pick(outcomes);
    const base = {
      index,
      id: anyText(random),
      host: anyText(random),
      key: anyText(random),
      outcome,
      ms: random.below(5_000),
    };
    if (outcome !== 'ok' && outcome !== 'failed')
      return { ...base, error: { code: random.pick(codes), message: anyText(random) } };
    const bytes = Buffer.from([random.below(256), 0xff, 0x1b]).toString('base64');
    return {
      ...base,
      response: {
        ...ANSWER,
        code: 3,
        stdout: anyText(random),
        stderr: random.below(2) ? anyText(random) : { base64: bytes },
      },
    };
  });
  const root = parseXml(await exported('junit', settled));
  const suite = root.children[0]!;
  const cases = suite.children;
  const having = (name: string) =>
    String(cases.filter(({ children }) => children.some((child) => child.name === name)).length);
  for (const { attributes } of [root, suite])
    expect(attributes).toMatchObject({
      tests: '500',
      failures: having('failure'),
      errors: having('error'),
      skipped: having('skipped'),
    });
  const sum = cases.reduce((total, { attributes }) => total + Number(attributes.time), 0);
  expect(Number(suite.attributes.time)).toBeCloseTo(sum, 1);
  expect(cases.map(({ attributes }) => attributes.name)).toEqual(settled.map(({ id }) => readable(id!)));
});

test('A case fails where the peer said no, is an error without an answer, and skipped where nobody tried', async () => {
  const refused = { code: 'ERR_CONNECT', message: 'refused' };
  const root = parseXml(
    await exported('junit', [
      { index: 0, host: 'a', response: { ...ANSWER, stdout: '1 < 2 & \u001b[1m\r\n' } },
      { index: 1, host: 'b', outcome: 'failed', response: { ...ANSWER, code: 3, stderr: 'no' } },
      { index: 2, host: 'c', outcome: 'failed', response: { ...ANSWER, code: null, signal: 'SIGKILL' } },
      { index: 3, host: 'd', outcome: 'not_started', error: refused },
      { index: 4, host: 'e', outcome: 'not_started', error: { code: 'ERR_STOPPED', message: 'the canary failed' } },
      { index: 5, host: 'f', outcome: 'unknown', error: { code: 'ERR_TIMEOUT', message: 'late' } },
      { index: 6, host: 'g', outcome: 'canceled', error: { code: 'ERR_CANCELED', message: 'called off' } },
      { index: 7, key: 'k', outcome: 'failed', response: { refused: true } },
    ]),
  );
  const suite = root.children[0]!;
  expect(suite.attributes).toMatchObject({
    name: 'b & "c"',
    tests: '8',
    failures: '3',
    errors: '3',
    skipped: '1',
    timestamp: '1970-01-01T00:00:00',
  });
  const told = suite.children.map(({ attributes, children }) => [attributes.classname, ...children.map(tell)]);
  expect(told).toEqual([
    ['a', 'system-out: 1 < 2 & ␛[1m\r\n'],
    ['b', 'failure exit 3 (failed): ', 'system-err: no'],
    ['c', 'failure killed by SIGKILL (failed): '],
    ['d', 'error not_started: refused (ERR_CONNECT): '],
    ['e', 'skipped not_started: the canary failed (undefined): '],
    ['f', 'error unknown: late (ERR_TIMEOUT): '],
    ['g', 'error canceled: called off (ERR_CANCELED): '],
    ['k', 'failure the peer said no (failed): '],
  ]);
});

test('What settles while a JUnit report is written is in neither its counts nor its cases', async () => {
  let reading = 0;
  const lines = () => [0, 1, 2, 3].slice(0, reading++ === 0 ? 2 : 4).map((index) => lineOfTest({ index: index * 9 }));
  let text = '';
  for await (const piece of exportResults('junit', { id: 'b', createdAt: 0, lines })) text += piece;
  const suite = parseXml(text).children[0]!;
  expect(suite.attributes.tests).toBe('2');
  expect(suite.children.map(({ attributes }) => attributes.name)).toEqual(['0', '9']);
});

function tell({ name, attributes: { message, type }, text }: XmlElement): string {
  return message === undefined ? `${name}: ${text}` : `${name} ${message} (${type}): ${text}`;
}

/** As XML can hold it. */
function readable(text: string): string {
  const picture = (char: string) => (char < ' ' ? String.fromCodePoint(0x2400 + char.charCodeAt(0)) : '\ufffd');
  return text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, picture);
}
