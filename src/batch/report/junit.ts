import type { Exported } from './export.js';
import { refusalOf } from './refusal.js';
import { type ReportedLine, readLine } from './result-line.js';
import { xmlAttribute, xmlText } from './xml.js';

type Verdict = 'passed' | 'failure' | 'error' | 'skipped';

/**
 * Results as a JUnit report, as CI systems read it: a test case for each request, `classname` the host, `name` the id. What
 * the peer said no to is a failure; what was not tried because the batch had ended is skipped; all other requests without
 * an answer are errors, so that a run in which a host could not be reached is not green.
 *
 * The counts come before the cases, so all is read twice; a batch that goes on meanwhile adds nothing in between.
 */
export async function* junitOf({ id, createdAt, lines }: Exported): AsyncGenerator<string> {
  const suite = new Suite();
  for await (const line of lines()) suite.count(readLine(line));
  const { failure, error, skipped } = suite.verdicts;
  const counts = `tests="${suite.tests}" failures="${failure}" errors="${error}" skipped="${skipped}"`;
  const about = `${counts} time="${seconds(suite.ms)}"`;
  const name = xmlAttribute(id);
  const since = new Date(createdAt).toISOString().slice(0, 19);
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${name}" ${about}>\n`;
  yield `<testsuite name="${name}" ${about} timestamp="${since}">\n`;
  for await (const line of lines()) {
    const result = readLine(line);
    if (suite.has(result.index)) yield testCase(result);
  }
  yield '</testsuite>\n</testsuites>\n';
}

class Suite {
  readonly verdicts: Record<Verdict, number> = { passed: 0, failure: 0, error: 0, skipped: 0 };
  tests = 0;
  ms = 0;
  #counted = new Uint8Array(1_024);

  count(line: ReportedLine): void {
    this.tests++;
    this.verdicts[verdictOf(line)]++;
    this.ms += tookMs(line);
    const byte = line.index >>> 3;
    if (byte >= this.#counted.length) {
      const grown = new Uint8Array(Math.max(byte + 1, this.#counted.length * 2));
      grown.set(this.#counted);
      this.#counted = grown;
    }
    this.#counted[byte]! |= 1 << (line.index & 7);
  }

  has(index: number): boolean {
    return ((this.#counted[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }
}

function verdictOf({ outcome, error }: ReportedLine): Verdict {
  if (outcome === 'ok') return 'passed';
  if (outcome === 'failed') return 'failure';
  return outcome === 'not_started' && ENDED.has(error?.code) ? 'skipped' : 'error';
}

/** Nobody tried: the batch was stopped or called off before. */
const ENDED: ReadonlySet<string | undefined> = new Set(['ERR_STOPPED', 'ERR_CANCELED']);

function testCase(line: ReportedLine): string {
  const { id, host, key } = line;
  const where = host ?? (key || id);
  const inside = verdict(line) + output(line, 'stdout', 'system-out') + output(line, 'stderr', 'system-err');
  const head = `<testcase classname="${xmlAttribute(where)}" name="${xmlAttribute(id)}" time="${seconds(tookMs(line))}"`;
  return inside === '' ? `${head}/>\n` : `${head}>${inside}</testcase>\n`;
}

function verdict(line: ReportedLine): string {
  const { outcome, error } = line;
  const kind = verdictOf(line);
  if (kind === 'passed') return '';
  const message = error ? `${outcome}: ${error.message}` : refusalOf(line.response);
  const type = error?.code ?? outcome;
  const about = `message="${xmlAttribute(message)}"`;
  return kind === 'skipped' ? `<skipped ${about}/>` : `<${kind} ${about} type="${xmlAttribute(type)}"/>`;
}

/** Bytes that are not UTF-8 are shown as far as they are. */
function output({ response }: ReportedLine, name: 'stdout' | 'stderr', element: string): string {
  const said = (response as Record<string, unknown> | null | undefined)?.[name];
  const base64 = (said as { base64?: unknown } | null | undefined)?.base64;
  const text = typeof base64 === 'string' ? Buffer.from(base64, 'base64').toString() : said;
  return typeof text === 'string' && text !== '' ? `<${element}>${xmlText(text)}</${element}>` : '';
}

function tookMs({ timing }: ReportedLine): number {
  return timing.openMs + timing.runMs;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
