import type { Paint } from './colors.js';
import { counted, grouped, longTime, size } from './figures.js';
import { topKeysOf } from './top-keys.js';
import type { Look, OpenBreaker } from './top-look.js';
import { bar, type Color, curve, type Part, type Row, textOf } from './top-rows.js';
import { visible } from './visible.js';
import { clipped, fitted } from './width.js';

/** How the frame is to look. */
export interface FrameShape {
  columns: number;
  /** Undefined: all that there is. */
  rows: number | undefined;
  /** Lines of the body that are scrolled past. */
  scroll: number;
  sort: 'requests' | 'time';
  paused: boolean;
  /** The service is away, and why. */
  trouble: string | undefined;
  url: string;
  /** Keys can be pressed. */
  keys: boolean;
}

type Shard = Look['stats']['engine']['shards'][number];
type Batch = Look['batches'][number];

/** What is shown, as lines no wider than the terminal. `most`: how far it can be scrolled. */
export function frame(look: Look | undefined, shape: FrameShape, paint: Paint): { lines: string[]; most: number } {
  const head = look ? headOf(look, shape) : titleOf(undefined, shape);
  const body = look ? bodyOf(look, shape) : [];
  const room = shape.rows === undefined ? body.length : Math.max(0, shape.rows - head.length);
  const most = Math.max(0, body.length - room);
  const from = Math.min(shape.scroll, most);
  const shown = [...head, ...body.slice(from, from + room)];
  return { lines: shown.map((row) => textOf(row, shape.columns, paint)), most };
}

function titleOf(look: Look | undefined, { url, columns, paused, trouble, sort, keys }: FrameShape): Row[] {
  const about = look ? `keylane ${look.stats.version}  ` : 'keylane  ';
  const up = look ? `  up ${longTime(look.stats.uptimeMs)}` : '';
  const left = `${about}${visible(url)}${up}`;
  const help = keys ? `q quit  p ${paused ? 'go on' : 'pause'}  s sort: ${sort}  ↑↓ scroll` : '';
  const fits = help !== '' && left.length + help.length + 2 <= columns;
  const title: Row = fits
    ? [
        ['cyan', fitted(left, columns - help.length)],
        ['dim', help],
      ]
    : [['cyan', left]];
  const rows = help === '' || fits ? [title] : [title, [['dim', help] as Part]];
  if (paused) rows.push([['yellow', 'paused: these are the figures of when it was']]);
  if (trouble !== undefined) rows.push([['red', `no answer, asking again: ${visible(trouble)}`]]);
  return rows;
}

function headOf(look: Look, shape: FrameShape): Row[] {
  const { lately, engine, http, process: own } = look.stats;
  const ms = (value: number | null) => (value === null ? '–' : milliseconds(value));
  const figures: Part[][] = [
    [
      ['plain', 'requests '],
      ['green', `${amount(lately.perSecond)}/s`],
      ['plain', '  not ok '],
      [lately.notOkPerSecond > 0 ? 'red' : 'plain', `${amount(lately.notOkPerSecond)}/s`],
      ['plain', '  refused '],
      [lately.refusedPerSecond > 0 ? 'red' : 'plain', `${amount(lately.refusedPerSecond)}/s`],
    ],
    [['plain', `p50 ${ms(lately.p50Ms)}  p95 ${ms(lately.p95Ms)}  p99 ${ms(lately.p99Ms)}`]],
    [['plain', `in flight ${amount(engine.inFlight)}  queued ${amount(engine.queued)}`]],
    [['plain', `HTTP ${counted(http.connections, 'connection')}, ${counted(http.streams, 'stream')}`]],
    [
      [
        'plain',
        `memory ${size(own.rssBytes)}  main thread ${percent(own.busy)}, late ${milliseconds(own.loopLag.maxMs)}`,
      ],
    ],
  ];
  return [...titleOf(look, shape), ...wrapped(figures, shape.columns), ...curves(look, shape.columns)];
}

/** As many groups of figures on a line as fit. */
function wrapped(groups: readonly Part[][], columns: number): Row[] {
  const rows: Part[][] = [];
  let taken = 0;
  for (const group of groups) {
    const wide = group.reduce((sum, [, text]) => sum + text.length, 0);
    const last = rows.at(-1);
    if (last && taken + 3 + wide <= columns) {
      last.push(['plain', '   '], ...group);
      taken += 3 + wide;
    } else {
      rows.push([...group]);
      taken = wide;
    }
  }
  return rows;
}

function curves({ history }: Look, columns: number): Row[] {
  const row = (label: string, name: string, color: Color, unit: (value: number) => string): Row => {
    const values = (history.series[name] ?? []).map((value) => value ?? 0);
    const most = Math.max(0, ...values);
    const end = ` ${unit(most)} at most`;
    return [
      ['dim', fitted(label, 12)],
      [color, curve(values, Math.max(0, Math.min(120, columns - 12 - end.length)), most)],
      ['dim', end],
    ];
  };
  if (history.t.length < 2) return [];
  return [
    row('throughput', 'throughput', 'green', (value) => `${amount(value)}/s`),
    row('p95', 'p95', 'yellow', milliseconds),
  ];
}

function bodyOf(look: Look, shape: FrameShape): Row[] {
  return [...shardRows(look, shape), ...keyRows(look, shape), ...breakerRows(look, shape), ...batchRows(look, shape)];
}

function shardRows({ stats: { engine } }: Look, { columns, sort }: FrameShape): Row[] {
  const barWide = columns >= 90 ? 20 : 8;
  const shards = engine.shards.map((shard, number) => ({ shard, number }));
  if (sort === 'time') shards.sort((one, other) => other.shard.busy - one.shard.busy || one.number - other.number);
  const named = shards.map(({ shard: { state }, number }) => `${number}${state === 'serving' ? '' : ` ${state}`}`);
  const nameWide = Math.max(5, ...named.map((name) => name.length)) + 1;
  let left = columns - nameWide - barWide - 6;
  const shown = COLUMNS.filter(([, , wide]) => {
    left -= wide;
    return left >= 0;
  });
  const head = `${fitted('SHARD', nameWide)}${fitted('busy', barWide + 6)}`;
  const rows: Row[] = shards.map(({ shard }, at) => [
    [shard.state === 'serving' ? 'plain' : 'red', fitted(named[at]!, nameWide)],
    [shard.busy > 0.9 ? 'red' : shard.busy > 0.6 ? 'yellow' : 'green', bar(shard.busy, barWide)],
    ['plain', `${fitted(percent(shard.busy), 5, 'right')} `],
    ['plain', shown.map(([, value, wide]) => fitted(value(shard), wide, 'right')).join('')],
  ]);
  const hints: Row[] = shards.flatMap(({ shard: { hint }, number }) =>
    hint === undefined ? [] : [[['yellow', `shard ${number}: ${visible(hint)}`]] as Row],
  );
  return [[], [['dim', head + shown.map(([name, , wide]) => fitted(name, wide, 'right')).join('')]], ...rows, ...hints];
}

/** In the order in which they are left out where they do not fit: the last ones first. */
const COLUMNS: readonly (readonly [name: string, value: (shard: Shard) => string, wide: number])[] = [
  ['queue', ({ queued }) => amount(queued), 7],
  ['flight', ({ inFlight }) => amount(inFlight), 8],
  ['lag ms', ({ inside }) => (inside ? String(Math.round(inside.loopLagMs)) : '–'), 8],
  ['conns', ({ inside }) => (inside ? amount(total(inside.connections)) : '–'), 8],
  ['in use', ({ inside }) => (inside ? amount(inside.connections.busy + inside.connections.full) : '–'), 8],
  ['idle', ({ inside }) => (inside ? amount(inside.connections.idle) : '–'), 8],
  ['opening', ({ inside }) => (inside ? amount(inside.connections.opening) : '–'), 9],
  ['keys', ({ inside }) => (inside ? amount(inside.keys) : '–'), 9],
  ['let alone', ({ inside }) => (inside ? amount(inside.stopped) : '–'), 11],
  ['restarts', ({ restarts }) => amount(restarts), 10],
];

function total(connections: Record<string, number>): number {
  return Object.values(connections).reduce((sum, one) => sum + one, 0);
}

function keyRows({ stats: { engine } }: Look, { columns, sort }: FrameShape): Row[] {
  const keys = topKeysOf(engine.shards, sort);
  const keyWide = Math.max(16, Math.min(48, columns - 34));
  const head =
    fitted('HOT KEY', keyWide) +
    fitted('requests/s', 12, 'right') +
    fitted('share', 8, 'right') +
    fitted('held', 12, 'right');
  if (keys.length === 0) return [[], [['dim', 'HOT KEYS  none']]];
  const rows: Row[] = keys.map(({ key, perSecond, share, heldPerSecond }) => [
    ['plain', fitted(visible(key), keyWide)],
    ['plain', fitted(perSecond === undefined ? '–' : amount(perSecond), 12, 'right')],
    ['plain', fitted(share === undefined ? '–' : percent(share), 8, 'right')],
    ['plain', fitted(heldPerSecond === undefined ? '–' : `${milliseconds(heldPerSecond)}/s`, 12, 'right')],
  ]);
  return [[], [['dim', head]], ...rows];
}

function breakerRows({ breakers }: Look, { columns }: FrameShape): Row[] {
  if (breakers.length === 0) return [[], [['dim', 'BREAKERS  none open']]];
  const rows = breakers.map(({ key, what, state, forMs, failures, message }: OpenBreaker): Row => {
    const left = state === 'probing' ? 'one tries' : forMs > 0 ? `${longTime(forMs)} more` : 'one may try';
    const about = `${left}, ${counted(failures, 'failure')}: ${visible(message)}`;
    return [
      [
        'red',
        fitted(clipped(visible(key), Math.max(16, Math.floor(columns / 3))), Math.max(16, Math.floor(columns / 3)) + 2),
      ],
      ['plain', `${fitted(what.replace('_', ' '), 9)}${about}`],
    ];
  });
  return [[], [['dim', `BREAKERS  ${breakers.length} open`]], ...rows];
}

function batchRows({ batches }: Look, { columns }: FrameShape): Row[] {
  if (batches.length === 0) return [[], [['dim', 'BATCHES  none running']]];
  const rows = batches.map((batch: Batch): Row => {
    const { id, settled, total: all, counts, inFlight, paused } = batch;
    const bad = counts.failed + counts.not_started + counts.unknown;
    const barWide = columns >= 90 ? 20 : 8;
    const share = all === null || all === 0 ? 0 : settled / all;
    return [
      ['plain', `${fitted(visible(id), columns >= 90 ? 34 : 14)} `],
      ['green', bar(share, barWide)],
      [
        'plain',
        `${fitted(all === null ? '?' : percent(share), 5, 'right')}  ${amount(settled)}/${all === null ? '?' : amount(all)}  `,
      ],
      [bad > 0 ? 'red' : 'plain', `not ok ${amount(bad)}  `],
      ['yellow', paused ? 'paused  ' : ''],
      ['plain', `in flight ${amount(inFlight)}`],
    ];
  });
  return [[], [['dim', `BATCHES  ${batches.length} running`]], ...rows];
}

function amount(value: number): string {
  return value < 99.95 && !Number.isInteger(value) ? value.toFixed(1) : grouped(Math.round(value));
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms < 9.95 ? ms.toFixed(1) : grouped(Math.round(ms))} ms`;
}
