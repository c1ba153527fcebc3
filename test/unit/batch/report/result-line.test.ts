import { expect, test } from 'vitest';
import { exitOf, readLine, whyPart } from '../../../../src/batch/report/result-line.js';
import type { Outcome } from '../../../../src/types.js';
import { seeded } from '../../../support/seed.js';
import { lineOfTest } from './lines.js';

/** Texts that look like members of a line. */
const TEXTS = [
  'web-1',
  '',
  ',"key":"k"',
  '","host":"h","key":"',
  ',"error":{"code":"ERR_X"}',
  '\\","error":{',
  ',"response":{"code":3,"signal":null}',
  ',"attempts":',
  '\\',
  '"',
  '}',
];

test('Why a request is not ok is found in its line without parsing it, whatever its texts hold', () => {
  const random = seeded();
  const text = () => Array.from({ length: random.below(4) }, () => random.pick(TEXTS)).join('');
  const answers: (() => unknown)[] = [
    () => ({ code: random.below(256), signal: null, stdout: text(), stderr: text() }),
    () => ({ code: null, signal: 'SIGTERM', stdout: text(), stderr: text() }),
    () => ({ error: { code: 'ERR_X', message: text() }, key: text() }),
    () => ({ code: 5 }),
    () => text(),
    () => null,
  ];
  let quick = 0;
  for (let round = 0; round < 5_000; round++) {
    const outcome: Outcome = random.pick(['failed', 'unknown', 'not_started', 'canceled']);
    const why =
      outcome === 'failed' ? { response: random.pick(answers)() } : { error: { code: text(), message: text() } };
    const line = lineOfTest({ id: text(), ...(random.below(2) && { host: text() }), key: text(), outcome, ...why });
    const whole = readLine(line);
    const part = whyPart(line);
    if (part === undefined) {
      // Only where an answer has no code and signal at its head.
      expect(whole.error).toBeUndefined();
      continue;
    }
    quick++;
    const short = readLine(part);
    const { key, outcome: told, error, host } = whole;
    expect({ host: short.host, key: short.key, outcome: short.outcome, error: short.error }).toEqual({
      host,
      key,
      outcome: told,
      error,
    });
    expect(exitOf(short)).toEqual(exitOf(whole));
  }
  expect(quick).toBeGreaterThan(3_000);
});
