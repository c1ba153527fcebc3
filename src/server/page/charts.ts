import { Chart } from './chart.js';
import { byId, setText } from './dom.js';
import { amount, duration } from './figures.js';
import type { History, Stats } from './shapes.js';

/** Throughput and latency of the last 15 minutes: from the service's own history, and then live. */
export class Charts {
  readonly #throughput = new Chart(
    byId('throughput'),
    byId('throughput-legend'),
    [
      { name: 'settled', tint: 'main', fill: true, figure: amount },
      { name: 'not ok', tint: 'bad', calm: true, figure: amount },
      { name: 'refused', tint: 'warn', line: 'dashed', calm: true, figure: amount },
    ],
    'all',
  );
  readonly #latency = new Chart(
    byId('latency'),
    byId('latency-legend'),
    [
      { name: 'p50', tint: 'soft', figure: duration },
      { name: 'p95', tint: 'main', figure: duration },
      { name: 'p99', tint: 'ink', line: 'thin', figure: duration },
    ],
    'all',
  );

  /** What was before somebody looked. */
  begin({ t, series }: History): void {
    const of = (...names: string[]) => names.map((name) => series[name] ?? t.map(() => null));
    this.#throughput.set(t, of('throughput', 'failed', 'refused'));
    this.#latency.set(t, of('p50', 'p95', 'p99'));
  }

  add({ at, lately }: Stats): void {
    const t = at / 1000;
    this.#throughput.add(t, [lately.perSecond, lately.notOkPerSecond, lately.refusedPerSecond]);
    this.#latency.add(t, [lately.p50Ms, lately.p95Ms, lately.p99Ms]);
    setText(
      byId('throughput-words'),
      `Now ${amount(lately.perSecond)} requests a second, ${amount(lately.notOkPerSecond)} of them not ok, ${amount(lately.refusedPerSecond)} refused.`,
    );
    const of = (ms: number | null) => duration(ms ?? undefined);
    setText(
      byId('latency-words'),
      `Now half of the requests take up to ${of(lately.p50Ms)}, 95 % up to ${of(lately.p95Ms)}, 99 % up to ${of(lately.p99Ms)}.`,
    );
  }
}
