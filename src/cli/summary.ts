import { foldHosts, type Outcome, refusalOf } from '../index.js';
import type { Paint } from './colors.js';
import { counted } from './figures.js';
import type { HostResult, Item } from './item.js';
import { MOST_REASONS, summaryText } from './summary-text.js';
import { visible } from './visible.js';

interface Reason {
  hosts: string[];
  /** What to say if it is about one host alone. */
  alone: string;
}

/** What a run came to: gathered result by result, told at the end. */
export class Summary {
  readonly #noun: 'host' | 'request';
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

  constructor(noun: 'host' | 'request' = 'host') {
    this.#noun = noun;
  }

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
      : visible(refusalOf(response));
    const shared = error ? withoutHost(alone, item, result.key) : alone;
    const reasons = this.#reasons[outcome];
    const reason = reasons.get(shared);
    if (reason === undefined) reasons.set(shared, { hosts: [item.id], alone });
    else reason.hosts.push(item.id);
  }

  text(elapsedMs: number, paint: Paint): string {
    const reasons = (['failed', 'not_started', 'unknown', 'canceled'] as const).map(
      (outcome) => [outcome, this.#reasonLines(outcome)] as const,
    );
    const said = { noun: this.#noun, elapsedMs, outcomes: this.#outcomes, slowest: this.#slowest };
    const text = summaryText({ ...said, reasons: Object.fromEntries(reasons) }, paint);
    return this.#truncated.length > 0 ? `${text}output cut at --max-output: ${foldAll(this.#truncated)}\n` : text;
  }

  #reasonLines(outcome: Outcome): string[] {
    const reasons = [...this.#reasons[outcome]].sort(([, a], [, b]) => b.hosts.length - a.hosts.length);
    const lines = reasons.slice(0, MOST_REASONS).map(([shared, { hosts, alone }]) => {
      return `${hosts.length === 1 ? alone : shared}: ${foldAll(hosts)}`;
    });
    const others = reasons.slice(MOST_REASONS).flatMap(([, { hosts }]) => hosts);
    if (others.length > 0) lines.push(`${counted(reasons.length - MOST_REASONS, 'other reason')}: ${foldAll(others)}`);
    return lines;
  }

  #noteTime(id: string, ms: number): void {
    if (this.#slowest.length === 3 && ms <= this.#slowest[2]!.ms) return;
    this.#slowest = [...this.#slowest, { id, ms }].sort((a, b) => b.ms - a.ms).slice(0, 3);
  }
}

/** The reason without the host's name, so that the same reason of many hosts is told once. */
function withoutHost(reason: string, { id, address }: Item, key: string): string {
  const names = [id, key, address?.host ?? ''].filter((name) => name !== '').sort((a, b) => b.length - a.length);
  return names.reduce((text, name) => text.replaceAll(name, 'HOST'), reason);
}

function foldAll(hosts: readonly string[]): string {
  return visible(foldHosts(hosts));
}
