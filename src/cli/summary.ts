import { foldHosts, type Outcome, type SshResponse } from '../index.js';
import type { Paint } from './colors.js';
import { counted, rate, time } from './figures.js';
import type { HostResult, Item } from './item.js';
import { visible } from './visible.js';

/** Reasons listed for one outcome; the hosts of the others are still named, together. */
const MOST_REASONS = 20;

const TITLES: readonly [Outcome, string, Parameters<Paint>[0]][] = [
  ['ok', 'ok', 'green'],
  ['failed', 'failed', 'red'],
  ['not_started', 'not started', 'yellow'],
  ['unknown', 'unknown whether it ran', 'red'],
  ['canceled', 'canceled', 'yellow'],
];

interface Reason {
  hosts: string[];
  /** What to say if it is about one host alone. */
  alone: string;
}

/** What a run came to: gathered result by result, told at the end. */
export class Summary {
  readonly #outcomes: Record<Outcome, number> = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  readonly #reasons: Record<Outcome, Map<string, Reason>> = {
    ok: new Map(),
    failed: new Map(),
    not_started: new Map(),
    unknown: new Map(),
    canceled: new Map(),
  };
  readonly #truncated: string[] = [];
  /** The slowest first. */
  #slowest: { id: string; ms: number }[] = [];

  /**
   * `tookMs`: from its start to its end, undefined if it never started; the engine's timing has no figure for a host that
   * hung. `gathered`: the output is that of the response, so it may have been cut.
   */
  add(item: Item, result: HostResult, tookMs: number | undefined, gathered: boolean): void {
    const { outcome, response, error } = result;
    this.#outcomes[outcome]++;
    if (gathered && response?.truncated) this.#truncated.push(item.id);
    if (tookMs !== undefined) this.#noteTime(item.id, tookMs);
    if (outcome === 'ok') return;
    const alone = error
      ? `${error.code}: ${visible(error.message.trim().replaceAll(/\s*\n\s*/g, ' '))}`
      : exitOf(response);
    const shared = error ? withoutHost(alone, item, result.key) : alone;
    const reasons = this.#reasons[outcome];
    const reason = reasons.get(shared);
    if (reason === undefined) reasons.set(shared, { hosts: [item.id], alone });
    else reason.hosts.push(item.id);
  }

  text(elapsedMs: number, paint: Paint): string {
    const lines: string[] = [];
    const total = Object.values(this.#outcomes).reduce((sum, count) => sum + count, 0);
    const counts = TITLES.filter(([outcome]) => outcome === 'ok' || this.#outcomes[outcome] > 0).map(
      ([outcome, title, color]) => {
        const text = `${this.#outcomes[outcome].toLocaleString('en-US')} ${title}`;
        return this.#outcomes[outcome] > 0 ? paint(color, text) : text;
      },
    );
    lines.push(`${counted(total, 'host')} in ${time(elapsedMs)} (${rate(total, elapsedMs)}/s): ${counts.join(', ')}`);
    if (total > 1 && this.#slowest.length > 0) {
      lines.push(`slowest: ${this.#slowest.map(({ id, ms }) => `${visible(id)} ${time(ms)}`).join(', ')}`);
    }
    for (const [outcome, title, color] of TITLES) {
      if (this.#reasons[outcome].size === 0) continue;
      lines.push(`${paint(color, title)}:`, ...this.#reasonLines(outcome));
    }
    if (this.#truncated.length > 0) lines.push(`output cut at --max-output: ${foldAll(this.#truncated)}`);
    return `${lines.join('\n')}\n`;
  }

  #reasonLines(outcome: Outcome): string[] {
    const reasons = [...this.#reasons[outcome]].sort(([, a], [, b]) => b.hosts.length - a.hosts.length);
    const lines = reasons.slice(0, MOST_REASONS).map(([shared, { hosts, alone }]) => {
      return `  ${hosts.length === 1 ? alone : shared}: ${foldAll(hosts)}`;
    });
    const others = reasons.slice(MOST_REASONS).flatMap(([, { hosts }]) => hosts);
    if (others.length > 0)
      lines.push(`  ${counted(reasons.length - MOST_REASONS, 'other reason')}: ${foldAll(others)}`);
    return lines;
  }

  #noteTime(id: string, ms: number): void {
    if (this.#slowest.length === 3 && ms <= this.#slowest[2]!.ms) return;
    this.#slowest = [...this.#slowest, { id, ms }].sort((a, b) => b.ms - a.ms).slice(0, 3);
  }
}

function exitOf(response: SshResponse | undefined): string {
  return response?.signal ? `killed by ${response.signal}` : `exit ${response?.code}`;
}

/** The reason without the host's name, so that the same reason of many hosts is told once. */
function withoutHost(reason: string, { id, address }: Item, key: string): string {
  const names = [id, key, address?.host ?? ''].filter((name) => name !== '').sort((a, b) => b.length - a.length);
  return names.reduce((text, name) => text.replaceAll(name, 'HOST'), reason);
}

function foldAll(hosts: readonly string[]): string {
  return visible(foldHosts(hosts));
}
