import { byId, setText } from './dom.js';
import { count } from './figures.js';
import { Parts } from './parts.js';
import type { Connections, Stats } from './shapes.js';

/** In the order of a connection's life. */
const STATES: readonly { kind: keyof Connections; name: string }[] = [
  { kind: 'opening', name: 'opening' },
  { kind: 'idle', name: 'idle' },
  { kind: 'checking', name: 'checking' },
  { kind: 'busy', name: 'busy' },
  { kind: 'full', name: 'full' },
  { kind: 'closing', name: 'closing' },
];

/** The pools' connections by state, all shards together, and what was opened in all. */
export class ConnectionStates {
  readonly #parts = new Parts('Connections by state', STATES);

  constructor() {
    byId('connections').replaceChildren(this.#parts.bar, this.#parts.list);
  }

  update({ engine: { shards } }: Stats): void {
    const sum = (of: (inside: NonNullable<(typeof shards)[number]['inside']>) => number) =>
      shards.reduce((total, { inside }) => total + (inside ? of(inside) : 0), 0);
    this.#parts.update(
      Object.fromEntries(STATES.map(({ kind }) => [kind, sum(({ connections }) => connections[kind])])),
    );
    const [opened, failed, leaked] = [
      sum((inside) => inside.opened),
      sum((inside) => inside.failed),
      sum((inside) => inside.leaked),
    ];
    const note = [`${count(opened)} opened so far`];
    if (failed > 0) note.push(`${count(failed)} could not be`);
    if (leaked > 0) note.push(`${count(leaked)} leases leaked`);
    setText(byId('connections-note'), note.join(', '));
  }
}
