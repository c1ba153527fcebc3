import { byId, el, setText } from './dom.js';
import { amount, count, duration, percent } from './figures.js';
import type { Stats } from './shapes.js';

type Level = '' | 'warn' | 'bad';

interface Figure {
  name: string;
  /** What it is, beside it. */
  unit?: string;
  of(stats: Stats): { value: string; level?: Level };
}

/** The headline: what an operator looks at first, in this order. */
const FIGURES: readonly Figure[] = [
  { name: 'Requests', unit: '/s', of: ({ lately }) => ({ value: amount(lately.perSecond) }) },
  {
    name: 'Not ok',
    of: ({ lately: { perSecond, notOkPerSecond } }) => {
      const share = perSecond > 0 ? notOkPerSecond / perSecond : undefined;
      return { value: percent(share), level: share === undefined || share < 0.01 ? '' : share < 0.1 ? 'warn' : 'bad' };
    },
  },
  { name: 'p50', of: ({ lately }) => ({ value: duration(lately.p50Ms ?? undefined) }) },
  { name: 'p95', of: ({ lately }) => ({ value: duration(lately.p95Ms ?? undefined) }) },
  { name: 'p99', of: ({ lately }) => ({ value: duration(lately.p99Ms ?? undefined) }) },
  { name: 'In flight', of: ({ engine }) => ({ value: count(engine.inFlight) }) },
  { name: 'Queued', of: ({ engine }) => ({ value: count(engine.queued) }) },
  {
    name: 'Refused',
    unit: '/s',
    of: ({ lately }) => ({ value: amount(lately.refusedPerSecond), level: lately.refusedPerSecond > 0 ? 'warn' : '' }),
  },
];

/** The figures at the top of the page. */
export class Overview {
  readonly #cells = FIGURES.map(({ name, unit = '' }) => {
    const value = el('span', { text: '–' });
    const cell = el('dd', {}, value, ...(unit === '' ? [] : [el('span', { class: 'beside', text: ` ${unit}` })]));
    const element = el('div', { class: 'figure', 'data-figure': name }, el('dt', { text: name }), cell);
    return { element, value };
  });

  constructor() {
    byId('figures').replaceChildren(...this.#cells.map(({ element }) => element));
  }

  update(stats: Stats): void {
    FIGURES.forEach(({ of }, i) => {
      const { value, level = '' } = of(stats);
      const { element, value: shown } = this.#cells[i]!;
      setText(shown, value);
      element.dataset.level = level;
    });
  }
}
