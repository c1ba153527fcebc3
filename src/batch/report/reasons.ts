import { foldHosts } from '../../targets/fold.js';
import type { Outcome } from '../../types.js';
import { refusalOf } from './refusal.js';
import { type ReportedLine, readLine, whyPart } from './result-line.js';

/** One reason why requests are not `ok`. */
export interface BatchReason {
  outcome: Outcome;
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

/** What became of a host and a reason. */
interface Seen {
  reason: Gathered | undefined;
  isNamed: boolean;
}

/** As many reasons are told apart; of the others it is said how many there were of each code. */
const MOST_REASONS = 1_000;
/** As many hosts are named, of all reasons. */
const MOST_HOSTS = 100_000;
const LONGEST_MESSAGE = 500;

/** Hosts and reasons that were seen lately are not looked at again. */
const MOST_SEEN = 20_000;
const LONGEST_SEEN = 2_000;

export class Reasons {
  readonly #reasons = new Map<string, Gathered>();
  readonly #seen = new Map<string, Seen>();
  #named = 0;
  #others = 0;

  /** A line whose outcome is not `ok`. */
  add(line: string, index: number): void {
    const why = whyPart(line);
    let seen = why === undefined ? undefined : this.#seen.get(why);
    if (!seen) {
      seen = this.#see(why ?? line, line, index);
      if (this.#seen.size === MOST_SEEN) this.#seen.clear();
      if (why !== undefined && why.length < LONGEST_SEEN) this.#seen.set(why, seen);
    }
    const { reason, isNamed } = seen;
    if (!reason) {
      this.#others++;
      return;
    }
    reason.count++;
    if (!isNamed) reason.unnamed++;
  }

  told(): { reasons: BatchReason[]; otherReasons: number } {
    const reasons = [...this.#reasons.values()]
      .sort((a, b) => b.count - a.count)
      .map((reason) => ({ ...reason, hosts: foldHosts([...reason.hosts]) }));
    return { reasons, otherReasons: this.#others };
  }

  #see(why: string, whole: string, index: number): Seen {
    const line = readLine(why);
    const { outcome, error } = line;
    const code = error?.code;
    const alone = error ? oneLine(error.message) : oneLine(refusalOf(line.response));
    const shared = error ? withoutHost(alone, line) : alone;
    const start = () => ({
      outcome,
      ...(code && { code }),
      example: { index, id: readLine(whole).id, message: alone },
    });
    // The last places are kept for what is told of each code, of which there are few.
    const reason =
      this.#of(`${outcome} ${code} ${shared}`, MOST_REASONS - 200, shared, start) ??
      this.#of(`${outcome} ${code}`, MOST_REASONS, 'for other reasons', start);
    const host = line.host ?? (line.key || readLine(whole).id);
    if (reason && !reason.hosts.has(host) && this.#named < MOST_HOSTS) {
      this.#named++;
      reason.hosts.add(host);
    }
    return { reason, isNamed: reason?.hosts.has(host) === true };
  }

  #of(
    name: string,
    room: number,
    message: string,
    start: () => Pick<Gathered, 'outcome' | 'code' | 'example'>,
  ): Gathered | undefined {
    const there = this.#reasons.get(name);
    if (there || this.#reasons.size >= room) return there;
    const reason: Gathered = { ...start(), message, count: 0, hosts: new Set(), unnamed: 0 };
    this.#reasons.set(name, reason);
    return reason;
  }
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
