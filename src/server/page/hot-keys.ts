import { byId, el, KeyedList, type Row, setText, show } from './dom.js';
import { amount, duration, percent } from './figures.js';
import type { Stats } from './shapes.js';

interface HotKey {
  key: string;
  share: number;
  perSecond: number;
  /** How long its requests held streams, of each second; undefined where others held them longer. */
  heldMs: number | undefined;
}

const MOST = 10;

/** The keys with most requests lately. A key lives in one shard, so what a shard says of it is all there is. */
export class HotKeys {
  readonly #rows = new KeyedList<HotKey>(byId('key-rows'), ({ key }) => key, rowOf);

  update({ engine: { shards } }: Stats): void {
    const keys = hotKeysOf(shards.flatMap(({ inside }) => (inside ? [inside.topKeys] : [])));
    this.#rows.update(keys);
    show(byId('keys-empty'), keys.length === 0);
  }
}

type TopKeys = NonNullable<Stats['engine']['shards'][number]['inside']>['topKeys'];

function hotKeysOf(all: readonly TopKeys[]): HotKey[] {
  const total = all.reduce((sum, { requests }) => sum + requests, 0);
  const keys = all.flatMap(({ overMs, byRequests, byTime }) => {
    const held = new Map(byTime.map(({ key, heldMs }) => [key, heldMs]));
    const seconds = Math.max(overMs, 1) / 1000;
    return byRequests.map(({ key, requests }) => ({
      key,
      share: total > 0 ? requests / total : 0,
      perSecond: requests / seconds,
      heldMs: held.has(key) ? held.get(key)! / seconds : undefined,
    }));
  });
  return keys.sort((one, other) => other.perSecond - one.perSecond || (one.key < other.key ? -1 : 1)).slice(0, MOST);
}

function rowOf({ key }: HotKey): Row<HotKey> {
  const cells = [el('td', { class: 'n' }), el('td', { class: 'n' }), el('td', { class: 'n' })];
  const element = el('tr', {}, el('th', { class: 'key', scope: 'row', text: key, title: key }), ...cells);
  const update = ({ share, perSecond, heldMs }: HotKey) => {
    const told = [percent(share), amount(perSecond), heldMs === undefined ? '–' : `${duration(heldMs)}/s`];
    for (const [i, cell] of cells.entries()) setText(cell, told[i]!);
  };
  return { element, update };
}
