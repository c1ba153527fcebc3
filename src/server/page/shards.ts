import { Bar, byId, el, KeyedList, type Row, setText, show } from './dom.js';
import { count, duration, percent } from './figures.js';
import type { Shard, Stats } from './shapes.js';

interface Numbered extends Shard {
  index: number;
}

/** From here on a thread has next to nothing left, or keeps its requests waiting. */
const BUSY = { warn: 0.7, bad: 0.9 };
const LAG_MS = { warn: 100, bad: 500 };

/** The table of shards: one row each, and under it what stands out and what to do about it. */
export class Shards {
  readonly #rows = new KeyedList<Numbered>(byId('shard-rows'), ({ index }) => String(index), rowOf);
  readonly #hints = new Map<number, HTMLElement>();

  update({ engine: { shards } }: Stats): void {
    const numbered = shards.map((shard, index) => ({ ...shard, index }));
    this.#rows.update(numbered);
    const serving = shards.filter(({ state }) => state === 'serving').length;
    setText(
      byId('shards-note'),
      serving === shards.length ? `all ${shards.length} serve` : `${serving} of ${shards.length} serve`,
    );
    this.#showHints(numbered);
  }

  #showHints(shards: Numbered[]): void {
    for (const { index, hint } of shards) {
      let shown = this.#hints.get(index);
      if (!shown && hint === undefined) continue;
      if (!shown) {
        shown = el('p', { class: 'hint' });
        this.#hints.set(index, shown);
        byId('shard-hints').append(shown);
      }
      show(shown, hint !== undefined);
      if (hint !== undefined) setText(shown, `Shard ${index}: ${hint}`);
    }
  }
}

function rowOf(first: Numbered): Row<Numbered> {
  const state = el('span', { class: 'state' });
  const bar = new Bar(`Busy share of shard ${first.index}`);
  const busy = el('span', { class: 'value' });
  const cells = Array.from({ length: 6 }, () => el('td', { class: 'n' }));
  const labels = ['Lag', 'In flight', 'Queued', 'Connections', 'Keys', 'Restarts'];
  // In a narrow window the cell tells its name; a value of its own, so that its text can be replaced.
  const values = cells.map((cell, i) => {
    cell.dataset.label = labels[i];
    return cell.appendChild(el('span'));
  });
  const element = el(
    'tr',
    {},
    el('th', { scope: 'row', 'data-label': 'Shard', text: String(first.index) }),
    el('td', { 'data-label': 'State' }, state),
    el('td', { class: 'wide', 'data-label': 'Busy' }, el('span', { class: 'busy' }, bar.element, busy)),
    ...cells,
  );
  const update = (shard: Numbered) => {
    const { inside } = shard;
    setText(state, shard.state);
    state.dataset.level = shard.state === 'serving' ? 'ok' : shard.state === 'degraded' ? 'bad' : 'warn';
    bar.set(shard.busy, percent(shard.busy), levelOf(shard.busy, BUSY));
    setText(busy, percent(shard.busy));
    const connections = inside && Object.values(inside.connections).reduce((sum, one) => sum + one, 0);
    const told = [
      duration(inside?.loopLagMs),
      ...[shard.inFlight, shard.queued, connections, inside?.keys, shard.restarts].map(count),
    ];
    for (const [i, value] of values.entries()) setText(value, told[i] ?? '');
    values[0]!.className = `level ${levelOf(inside?.loopLagMs ?? 0, LAG_MS)}`;
    values[5]!.className = `level ${shard.restarts > 0 ? 'warn' : ''}`;
  };
  return { element, update };
}

function levelOf(value: number, { warn, bad }: { warn: number; bad: number }): '' | 'warn' | 'bad' {
  return value >= bad ? 'bad' : value >= warn ? 'warn' : '';
}
