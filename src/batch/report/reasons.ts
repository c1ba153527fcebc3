import { foldHosts } from '../../targets/fold.js';
import type { Outcome } from '../../types.js';
import { exitOf, type ReportedLine } from './result-line.js';

/** One reason why requests are not `ok`. */
export interface BatchReason {
  outcome: Exclude<Outcome, 'ok'>;
  /** Of the error; undefined where the peer said no. */
  code?: string;
  /** `exit 3`, `killed by SIGTERM`, or the error's message with HOST for the host's name. */
  message: string;
  count: number;
  /** Of these hosts (accounts, …), folded into ranges: `web-[01-17,20]`. */
  hosts: string;
  /** Requests whose hosts are not among these: there are too many to name. 0 as a rule. */
  unnamed: number;
  /** The first of them, by the time it was settled. */
  example: { index: number; id: string; message: string };
}

interface Gathered extends Omit<BatchReason, 'hosts'> {
  hosts: Set<string>;
}

/** As many reasons are told apart; of the others it is said how many there were of each code. */
const MOST_REASONS = 1_000;
/** As many hosts are named, of all reasons. */
const MOST_HOSTS = 100_000;
const LONGEST_MESSAGE = 500;

export class Reasons {
  readonly #reasons = new Map<string, Gathered>();
  #named = 0;
  #others = 0;

  add(line: ReportedLine): void {
    if (line.outcome === 'ok') return;
    const code = line.error?.code ?? '';
    const alone = line.error ? oneLine(line.error.message) : answerOf(line);
    const shared = line.error ? withoutHost(alone, line) : alone;
    const reason =
      this.#of(line.outcome, code, shared, line, alone) ??
      this.#of(line.outcome, code, 'for other reasons', line, alone);
    if (!reason) {
      this.#others++;
      return;
    }
    reason.count++;
    const host = line.host ?? (line.key || line.id);
    if (reason.hosts.has(host)) return;
    if (this.#named < MOST_HOSTS) {
      this.#named++;
      reason.hosts.add(host);
    } else reason.unnamed++;
  }

  told(): { reasons: BatchReason[]; otherReasons: number } {
    const reasons = [...this.#reasons.values()]
      .sort((a, b) => b.count - a.count)
      .map((reason) => ({ ...reason, hosts: foldHosts([...reason.hosts]) }));
    return { reasons, otherReasons: this.#others };
  }

  #of(
    outcome: BatchReason['outcome'],
    code: string,
    message: string,
    line: ReportedLine,
    alone: string,
  ): Gathered | undefined {
    const name = `${outcome} ${code} ${message}`;
    const there = this.#reasons.get(name);
    // The last places are kept for the codes' own, of which there are few.
    const room = message === 'for other reasons' ? MOST_REASONS : MOST_REASONS - 200;
    if (there || this.#reasons.size >= room) return there;
    const { index, id } = line;
    const reason: Gathered = {
      outcome,
      ...(code && { code }),
      message,
      count: 0,
      hosts: new Set(),
      unnamed: 0,
      example: { index, id, message: alone },
    };
    this.#reasons.set(name, reason);
    return reason;
  }
}

function answerOf(line: ReportedLine): string {
  const exit = exitOf(line);
  if (!exit) return 'the peer said no';
  return exit.signal === null ? `exit ${exit.code}` : `killed by ${exit.signal}`;
}

function oneLine(message: string): string {
  return message
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .slice(0, LONGEST_MESSAGE);
}

/** The message without the host's name, so that the same reason of many hosts is told once. The key may hold the host. */
function withoutHost(message: string, { host = '', key }: ReportedLine): string {
  const text = replaced(message, key);
  return host === key ? text : replaced(text, host);
}

/** Whole names only: in `web-10` there is no `web-1`. */
function replaced(text: string, name: string): string {
  if (name === '') return text;
  let out = '';
  let from = 0;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
    const end = at + name.length;
    if (IN_NAME.test(text[at - 1] ?? '') || /^(?:[\w-]|\.[\w-])/.test(text.slice(end, end + 2))) continue;
    out += `${text.slice(from, at)}HOST`;
    from = end;
  }
  return out + text.slice(from);
}

const IN_NAME = /[\w.-]/;
