/** What was asked, and what became of it. */
export interface Figures {
  submitted: number;
  outcomes: Record<string, number>;
  codes: Record<string, number>;
  /** Answers that were not those of the request, errors of other kinds: there may be none. */
  wrong: string[];
  /** Answers of the host behind a jump host: its connection holds a lease of another one, as only leases can leak. */
  lent: number;
  /** How long after its deadline the latest call settled. */
  latestMs: number;
}

/** At any time. */
export interface Look extends Figures {
  pending: number;
  fds: number;
  heapBytes: number;
  rssBytes: number;
  connections: number;
  restarts: number;
  /** Leases that the shards have counted as leaked; a killed shard's count ends with it, its events do not. */
  leaked: number;
  kills: number;
  events: Record<string, number>;
  uncaught: string[];
}

/** With nothing to do, connections aged and gone, garbage collected in all threads. */
export interface AtRest {
  fds: number;
  children: number;
  heapBytes: number;
  rssBytes: number;
  connections: number;
  pending: number;
}

/** What a process holds. */
export interface Held {
  fds: number;
  children: number;
  /** What keeps the event loop alive, by kind. */
  resources: Record<string, number>;
}

export interface Soaked {
  seconds: number;
  /** At the end of each period. */
  rests: (AtRest & { atSeconds: number })[];
  last: Look;
  closed: { before: Held; after: Held; ms: number };
}

export interface Verdict {
  what: string;
  ok: boolean;
  says: string;
}

const MIB = 1 << 20;
/** From here on the heap is judged by its slope (X4); before, a slope by the hour is that of noise. */
const LONG_SECONDS = 6 * 3_600;
const MOST_WARM_UP_SECONDS = 2 * 3_600;
/**
 * In a short run, from the first half after warm-up to the second. At rest four heaps together grow by 0.5 MiB in a minute
 * (code that is compiled) and a minute is some 4,000 requests, of which half count: 1 kB that each leaves behind is found.
 */
const MOST_GROWTH_MIB = 2;
/** After its deadline: the grace that a shard has to answer (3 s), and a machine that others use, too. */
const MOST_LATE_MS = 5_000;

/** Did it hold? */
export function verdictsOf({ seconds, rests, last, closed }: Soaked): Verdict[] {
  const { submitted, outcomes, codes, wrong, lent, latestMs, uncaught, restarts, leaked, kills, events } = last;
  const settled = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const left = Object.entries(closed.after.resources).filter(([name, n]) => n > (closed.before.resources[name] ?? 0));
  const warm = rests.filter(({ atSeconds }) => atSeconds >= Math.min(MOST_WARM_UP_SECONDS, seconds / 3));
  const [middle, end] = [
    warm.slice(0, Math.max(1, Math.floor(warm.length / 2))),
    warm.slice(Math.ceil(warm.length / 2)),
  ];
  const most = (of: keyof AtRest, among: AtRest[]) => Math.max(...among.map((rest) => rest[of]));
  const least = (of: keyof AtRest, among: AtRest[]) => Math.min(...among.map((rest) => rest[of]));
  const spread = most('fds', rests) - least('fds', rests);
  const rss = most('rssBytes', end) / most('rssBytes', middle);
  return [
    { what: 'every request has one outcome', ok: settled === submitted, says: `${submitted} = ${settled}` },
    { what: 'none was without effect', ok: (outcomes.ok ?? 0) > submitted / 3, says: `${outcomes.ok ?? 0} ok` },
    { what: 'no answer was wrong', ok: wrong.length === 0, says: wrong.join('\n') || 'none' },
    { what: 'nothing was uncaught', ok: uncaught.length === 0, says: uncaught.join('\n') || 'nothing' },
    { what: 'all settled by their deadlines', ok: latestMs <= MOST_LATE_MS, says: `${latestMs} ms late` },
    { what: 'no thread died but those killed', ok: restarts === kills, says: `${restarts} restarts, ${kills} kills` },
    {
      what: 'no key was taken for a killer',
      ok: !codes.ERR_QUARANTINED,
      says: `${codes.ERR_QUARANTINED ?? 0} refused`,
    },
    {
      what: 'no lease leaked, of those that were lent (P4)',
      ok: !events.lease_leaked && leaked === 0 && lent > 0,
      says: `${events.lease_leaked ?? 0} told of, ${leaked} counted, ${lent} answers through a lease`,
    },
    {
      what: 'no connection outlived its age',
      ok: most('connections', rests) === 0,
      says: listOf(rests, 'connections'),
    },
    { what: 'no child was left at rest', ok: most('children', rests) === 0, says: listOf(rests, 'children') },
    { what: 'file descriptors stay', ok: spread <= 5, says: listOf(rests, 'fds') },
    heapVerdict(seconds, warm, middle, end),
    {
      what: 'resident memory stays',
      ok: rss < 1.2,
      says: `${Math.round((rss - 1) * 100)} %: ${mib(rests, 'rssBytes')}`,
    },
    {
      what: 'nothing is left after close',
      ok: left.length === 0 && closed.after.fds <= closed.before.fds && closed.after.children <= closed.before.children,
      says: `${closed.after.fds - closed.before.fds} fds, ${closed.after.children} children, ${JSON.stringify(left)}, ${Math.round(closed.ms)} ms`,
    },
  ];
}

function heapVerdict(seconds: number, warm: Soaked['rests'], middle: AtRest[], end: AtRest[]): Verdict {
  const what = 'the heap stays';
  if (seconds >= LONG_SECONDS) {
    const perHour = (slope(warm.map(({ atSeconds, heapBytes }) => [atSeconds, heapBytes])) * 3_600) / MIB;
    return { what, ok: perHour < 1, says: `${perHour.toFixed(2)} MiB/h` };
  }
  const least = (among: AtRest[]) => Math.min(...among.map(({ heapBytes }) => heapBytes));
  const grown = (least(end) - least(middle)) / MIB;
  return { what, ok: grown < MOST_GROWTH_MIB, says: `${grown.toFixed(1)} MiB: ${mib(warm, 'heapBytes')}` };
}

/** By least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const [up, down] = points.reduce(([a, b], [px, py]) => [a + (px - x) * (py - y), b + (px - x) ** 2], [0, 0]);
  return down === 0 ? 0 : up / down;
}

/** The first and the last of many. */
function listOf(rests: readonly AtRest[], of: keyof AtRest, show: (value: number) => string = String): string {
  const values = rests.map((rest) => show(rest[of]));
  return (values.length > 12 ? [...values.slice(0, 6), '…', ...values.slice(-6)] : values).join(' ');
}

function mib(rests: readonly AtRest[], of: keyof AtRest): string {
  return `${listOf(rests, of, (bytes) => (bytes / MIB).toFixed(1))} MiB`;
}
