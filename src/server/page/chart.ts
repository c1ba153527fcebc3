import { el, setText, show } from './dom.js';
import uPlot from './uplot.js';

export interface Curve {
  name: string;
  /** Of the legend's mark: its colour is the curve's, so it is said once, in style.css. */
  tint: 'main' | 'bad' | 'warn' | 'soft' | 'ink';
  line?: 'dashed' | 'thin';
  fill?: boolean;
  /** Nothing is drawn for as long as it is 0. */
  calm?: boolean;
  /** As the legend has it. */
  figure(value: number | undefined): string;
}

const SPAN_S = 15 * 60;
/** Of a service that has just started: its few seconds are not to be a speck at the edge. */
const LEAST_SPAN_S = 2 * 60;

/** Half of a time with seconds. */
const LABEL_PX = 28;

/** Curves over the last 15 minutes. The legend tells the last values, or those under the pointer. */
export class Chart {
  readonly #curves: readonly Curve[];
  readonly #place: HTMLElement;
  readonly #empty = el('p', { class: 'empty', text: 'Waiting for the first figures…' });
  readonly #values: HTMLElement[] = [];
  readonly #marks: HTMLElement[] = [];
  readonly #plot: uPlot;
  #columns: (number | null)[][];
  #pointed: number | undefined = undefined;

  /** `sync`: charts of the same name point at the same time together. */
  constructor(place: HTMLElement, legend: HTMLElement, curves: readonly Curve[], sync: string) {
    this.#place = place;
    this.#curves = curves;
    this.#columns = [[], ...curves.map(() => [])];
    for (const { name, tint, line } of curves) {
      const mark = el('span', { class: `mark tint-${tint} ${line ?? ''}`, 'aria-hidden': 'true' });
      const value = el('span', { class: 'value', text: '–' });
      legend.append(el('li', {}, mark, el('span', { text: name }), value));
      this.#marks.push(mark);
      this.#values.push(value);
    }
    this.#plot = new uPlot(this.#options(sync), this.#columns as uPlot.AlignedData, place);
    place.append(this.#empty);
    new ResizeObserver(() => this.#fit()).observe(place);
    addEventListener('themechange', () => this.#plot.redraw(false));
  }

  /** `t` in seconds of Unix time, oldest first; a column for each curve. */
  set(t: readonly number[], columns: readonly (readonly (number | null)[])[]): void {
    this.#columns = [[...t], ...this.#curves.map((_, i) => [...(columns[i] ?? [])])];
    this.#draw();
  }

  /** One more sample; what is older than 15 minutes goes. */
  add(t: number, values: readonly (number | null)[]): void {
    const times = this.#columns[0] as number[];
    const last = times.at(-1);
    if (last !== undefined && t <= last) return;
    times.push(t);
    for (const [i, column] of this.#columns.entries()) if (i > 0) column.push(values[i - 1] ?? null);
    const old = times.findIndex((time) => time > t - SPAN_S);
    // The first sample outside stays: the curve goes on to the edge.
    if (old > 1) for (const column of this.#columns) column.splice(0, old - 1);
    this.#draw();
  }

  #draw(): void {
    const times = this.#columns[0] as number[];
    show(this.#empty, times.length === 0);
    const drawn = this.#columns.map((column, i) => (this.#curves[i - 1]?.calm ? withoutRest(column) : column));
    this.#plot.setData(drawn as uPlot.AlignedData);
    this.#tell();
  }

  #tell(): void {
    const at = this.#pointed ?? (this.#columns[0]?.length ?? 0) - 1;
    for (const [i, { figure }] of this.#curves.entries())
      setText(this.#values[i]!, figure(this.#columns[i + 1]?.[at] ?? undefined));
  }

  #fit(): void {
    const { clientWidth, clientHeight } = this.#place;
    if (clientWidth > 0) this.#plot.setSize({ width: clientWidth, height: clientHeight });
  }

  #options(sync: string): uPlot.Options {
    const style = (name: string) => getComputedStyle(this.#place).getPropertyValue(name).trim();
    // A custom property is not a colour yet: what an element makes of it is.
    const probe = this.#place.appendChild(el('span', { class: 'unseen' }));
    const colour = (name: string) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    const axis = {
      stroke: () => colour('--dim'),
      font: `12px ${style('font-family')}`,
      grid: { stroke: () => colour('--line'), width: 1 },
      ticks: { show: false },
    };
    return {
      width: Math.max(this.#place.clientWidth, 100),
      height: Math.max(this.#place.clientHeight, 100),
      legend: { show: false },
      padding: [6, 2, 0, 0],
      cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: sync } },
      scales: {
        x: {
          time: true,
          range: (_, min, max) => {
            const end = max ?? Date.now() / 1000;
            return [Math.max(end - SPAN_S, Math.min(min ?? end, end - LEAST_SPAN_S)), end];
          },
        },
        y: { range: (_, _min, max) => [0, uPlot.rangeNum(0, Math.max(max ?? 0, 1e-3), 0.1, true)[1] ?? 1] },
      },
      axes: [
        {
          ...axis,
          space: 70,
          size: 20,
          gap: 4,
          // One that would be cut off at the edge is left out.
          values: ({ scales, width }, times, _, __, step) => {
            const { min = 0, max = 0 } = scales.x ?? {};
            const last = max - ((max - min) * LABEL_PX) / width;
            return times.map((time) => (time > last ? '' : clock(time, step)));
          },
        },
        { ...axis, space: 28, size: 46, gap: 4, values: (_, values) => values.map((value) => short(value)) },
      ],
      series: [
        {},
        ...this.#curves.map(({ line, fill }, i) => {
          const stroke = () => getComputedStyle(this.#marks[i]!).color;
          return {
            stroke,
            width: line === 'thin' ? 1 : 1.75,
            points: { show: false },
            spanGaps: false,
            ...(line === 'dashed' && { dash: [6, 4] }),
            ...(fill && { fill: () => stroke().replace(/^rgb\((.*)\)$/, 'rgba($1, 0.14)') }),
          };
        }),
      ],
      hooks: {
        setCursor: [
          ({ cursor: { idx } }) => {
            this.#pointed = idx ?? undefined;
            this.#tell();
          },
        ],
      },
    };
  }
}

function clock(seconds: number, step: number): string {
  const withSeconds = step < 60 ? ({ second: '2-digit' } as const) : {};
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', ...withSeconds });
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 1e4) return `${value / 1e3} k`;
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** Without the zeros that have only zeros beside them: a curve along the axis says nothing. */
function withoutRest(column: readonly (number | null)[]): (number | null)[] {
  return column.map((value, i) => (value || column[i - 1] || column[i + 1] ? value : null));
}
