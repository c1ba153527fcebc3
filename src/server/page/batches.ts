import { type Api, inWords } from './api.js';
import { BatchDetail } from './batch-detail.js';
import { byId, el, KeyedList, type Row, setText, show } from './dom.js';
import { amount, count, span } from './figures.js';
import type { Batch, BatchState, Outcome, Principal } from './shapes.js';
import { wait } from './time.js';

const OUTCOMES: readonly Outcome[] = ['ok', 'failed', 'unknown', 'not_started', 'canceled'];
const LEVELS: Readonly<Record<BatchState, string>> = {
  running: 'run',
  interrupted: 'warn',
  done: 'ok',
  stopped: 'bad',
  canceled: 'warn',
};
const LOOK_MS = 1_000;
/** A look at many batches takes the service a while: it is to have rest between two. */
const REST = 10;
/** The others are in the API. */
const MOST = 50;

/** The batches that this token may see, the newest first; each can be opened and followed to its end. */
export class Batches {
  readonly #api: Api;
  readonly #principal: Principal;
  readonly #signal: AbortSignal;
  readonly #rows: KeyedList<Batch>;
  /** Of the one that is open. */
  #close: () => void = () => {};

  constructor(api: Api, principal: Principal, signal: AbortSignal) {
    this.#api = api;
    this.#principal = principal;
    this.#signal = signal;
    this.#rows = new KeyedList(
      byId('batch-rows'),
      ({ id }) => id,
      (batch) => this.#rowOf(batch),
    );
    void this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#signal.aborted) {
      const began = performance.now();
      await this.#look();
      await wait(Math.max(LOOK_MS, REST * (performance.now() - began)), this.#signal);
    }
  }

  async #look(): Promise<void> {
    if (document.hidden) return;
    try {
      const { batches, total } = await this.#api.json<{ batches: Batch[]; total: number }>(
        `/v1/batches?limit=${MOST}`,
        { signal: this.#signal },
      );
      this.#rows.update(batches);
      show(byId('batches-loading'), false);
      show(byId('batches-empty'), batches.length === 0);
      const running = batches.filter(({ state }) => state === 'running').length;
      const note = [`${count(running)} running`, ...(total > MOST ? [`the newest ${MOST} of ${count(total)}`] : [])];
      setText(byId('batches-note'), total === 0 ? '' : note.join(', '));
      setText(byId('batches-error'), '');
    } catch (error) {
      if (this.#signal.aborted) return;
      show(byId('batches-loading'), false);
      setText(byId('batches-error'), inWords(error));
    }
  }

  #rowOf(first: Batch): Row<Batch> {
    const opener = el('button', { type: 'button', class: 'open', 'aria-expanded': 'false', text: first.id });
    const state = el('span', { class: 'state' });
    const aside = el('span', { class: 'aside' });
    const segs = OUTCOMES.map((outcome) => el('span', { class: 'seg', 'data-kind': outcome }));
    const bar = el(
      'div',
      {
        class: 'stack',
        role: 'progressbar',
        'aria-label': `Progress of ${first.id}`,
        'aria-valuemin': '0',
        'aria-valuemax': '100',
      },
      ...segs,
    );
    const tally = el('p', { class: 'tally' });
    const element = el(
      'article',
      { class: 'batch', 'aria-label': first.id },
      el('div', { class: 'batch-line' }, opener, state, aside),
      bar,
      tally,
    );
    const pace = new Pace();
    let detail: BatchDetail | undefined;
    const close = () => {
      detail?.close();
      detail = undefined;
      opener.setAttribute('aria-expanded', 'false');
    };
    opener.addEventListener('click', () => {
      const wasOpen = detail !== undefined;
      // One at a time: each that is followed takes a connection of the few that a browser opens.
      this.#close();
      if (wasOpen) return;
      this.#close = close;
      detail = new BatchDetail(this.#api, this.#principal, last, this.#signal, update);
      element.append(detail.element);
      opener.setAttribute('aria-expanded', 'true');
      update(last);
    });
    let last = first;
    const update = (batch: Batch) => {
      last = batch;
      setText(state, batch.paused ? 'paused' : batch.error ? 'cannot be read' : batch.state);
      state.dataset.level = batch.error ? 'bad' : batch.paused ? 'warn' : LEVELS[batch.state];
      const perSecond = pace.of(batch);
      setText(aside, asideOf(batch, perSecond));
      const whole = Math.max(batch.total ?? 0, batch.settled, 1);
      segs.forEach((seg, i) => {
        seg.style.width = `${(100 * batch.counts[OUTCOMES[i]!]) / whole}%`;
      });
      const percent = Math.floor((100 * batch.settled) / whole);
      if (batch.total === null) bar.removeAttribute('aria-valuenow');
      else bar.setAttribute('aria-valuenow', String(percent));
      bar.setAttribute(
        'aria-valuetext',
        `${count(batch.settled)} of ${batch.total === null ? 'an unknown number' : count(batch.total)} settled`,
      );
      tallyOf(tally, batch);
      detail?.update(batch);
    };
    return { element, update };
  }
}

/** How many are settled a second: of the last few looks. */
class Pace {
  #seen: { at: number; settled: number }[] = [];

  of({ settled, state }: Batch): number | undefined {
    const at = performance.now();
    this.#seen = [...this.#seen, { at, settled }].slice(-6);
    const [first] = this.#seen;
    if (state !== 'running' || !first || at - first.at < 500) return undefined;
    return (1000 * (settled - first.settled)) / (at - first.at);
  }
}

function asideOf(
  { state, paused, total, settled, ranMs, createdAt, why, error }: Batch,
  perSecond: number | undefined,
): string {
  if (state !== 'running') {
    const took = ranMs > 0 ? `ran ${span(ranMs)}` : '';
    return [error?.message ?? why, took, new Date(createdAt).toLocaleString('en-GB')].filter(Boolean).join(' · ');
  }
  if (perSecond === undefined || paused) return '';
  const left = total === null ? undefined : total - settled;
  const eta = left !== undefined && perSecond > 0 ? ` · ${span((1000 * left) / perSecond)} left` : '';
  return `${amount(perSecond)}/s${eta}`;
}

function tallyOf(tally: HTMLElement, { settled, total, counts, inFlight, state }: Batch): void {
  const parts: [string, string, string][] = [
    ['', count(settled), total === null ? 'settled' : `of ${count(total)}`],
    ...(state === 'running' ? ([['', count(inFlight), 'in flight']] as [string, string, string][]) : []),
    ...OUTCOMES.filter((outcome) => outcome === 'ok' || counts[outcome] > 0).map(
      (outcome): [string, string, string] => [
        outcome === 'failed' || outcome === 'unknown' ? 'bad' : outcome === 'ok' ? '' : 'warn',
        count(counts[outcome]),
        outcome.replace('_', ' '),
      ],
    ),
  ];
  const key = JSON.stringify(parts);
  if (tally.dataset.told === key) return;
  tally.dataset.told = key;
  tally.replaceChildren(
    ...parts.map(([level, figure, what]) => el('span', { class: level }, el('b', { text: figure }), ` ${what}`)),
  );
}
