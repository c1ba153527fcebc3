import { type Api, inWords } from './api.js';
import { el, setText, show } from './dom.js';
import { follow } from './feed.js';
import { counted, duration } from './figures.js';
import { Output } from './output.js';
import { textOf } from './run-form.js';
import type { Answered, Batch, BatchReport, Principal, Result } from './shapes.js';
import { visible } from './text.js';
import { wait } from './time.js';

const REPORT_MS = 3_000;
const REST = 10;
/** Within which a button is to be pressed again that asks for that. */
const SURE_MS = 5_000;
const SILENT_MS = 60_000;
/** More of them is for the report. */
const MOST_REASONS = 20;
const LONGEST_SAID = 300;
/** Of those that were there before it was opened the last ones are shown. */
const MOST_OLD = 500;

interface Action {
  name: string;
  text: string;
  /** What is said when it is done. */
  done: string;
  fits(batch: Batch): boolean;
  /** It makes a batch of its own. */
  isMade?: true;
  /** It cannot be taken back: what is asked first. */
  sure?: string;
}

const ACTIONS: readonly Action[] = [
  { name: 'pause', text: 'Pause', done: 'paused', fits: ({ here, paused }) => here && !paused },
  {
    name: 'resume',
    text: 'Resume',
    done: 'goes on',
    fits: ({ state, paused }) => paused || state === 'interrupted',
  },
  {
    name: 'cancel',
    text: 'Cancel',
    done: 'canceled',
    sure: 'Cancel for good?',
    fits: ({ state }) => state === 'running' || state === 'interrupted',
  },
  {
    name: 'retry',
    text: 'Retry what failed or did not start',
    done: 'tried again as a batch of its own',
    fits: ({ state, counts }) =>
      state !== 'running' && state !== 'interrupted' && counts.failed + counts.not_started > 0,
    isMade: true,
  },
];

/** One batch, opened: why requests are not ok, its results as they come, and what can be done about it. */
export class BatchDetail {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #path: string;
  readonly #open = new AbortController();
  readonly #says = el('p', { class: 'says', role: 'status' });
  readonly #actions: readonly { button: HTMLButtonElement; fits: Action['fits'] }[];
  readonly #following = el('p', { class: 'unit' });
  readonly #results: Output;
  readonly #reasons = el('div', { class: 'reasons' });
  #state = '';
  readonly #skip: number;
  readonly #onProgress: (batch: Batch) => void;
  #read = 0;

  constructor(
    api: Api,
    principal: Principal,
    { id, settled }: Batch,
    signal: AbortSignal,
    onProgress: (batch: Batch) => void,
  ) {
    this.#api = api;
    this.#path = `/v1/batches/${encodeURIComponent(id)}`;
    this.#skip = Math.max(0, settled - MOST_OLD);
    this.#onProgress = onProgress;
    signal.addEventListener('abort', () => this.#open.abort(), { signal: this.#open.signal });
    this.#actions = ACTIONS.map((action) => ({ button: this.#button(action), fits: action.fits }));
    this.#results = new Output(`Results of ${id}`, 'results');
    const buttons = el('div', { class: 'buttons' }, ...this.#actions.map(({ button }) => button), this.#says);
    show(buttons, principal.run);
    this.element = el(
      'div',
      { class: 'detail' },
      buttons,
      this.#reasons,
      el('div', {}, el('h3', { text: 'Results' }), this.#following, this.#results.element),
    );
    void this.#reports();
    void this.#follow();
  }

  /** Why requests are not ok: while the batch runs, and once more when it has ended. */
  async #reports(): Promise<void> {
    let of: string | undefined;
    while (!this.#open.signal.aborted) {
      const began = performance.now();
      if (this.#state === 'running' || this.#state !== of) {
        of = this.#state;
        await this.#report();
      }
      // A report of a large batch takes the service a while.
      await wait(Math.max(REPORT_MS, REST * (performance.now() - began)), this.#open.signal);
    }
  }

  update(batch: Batch): void {
    for (const { button, fits } of this.#actions) show(button, fits(batch));
    if (this.#state === 'running' && batch.state !== 'running') void this.#report();
    this.#state = batch.state;
  }

  close(): void {
    this.#open.abort();
    this.element.remove();
  }

  #button({ name, text, done, isMade, sure }: Action): HTMLButtonElement {
    const button = el('button', { type: 'button', class: 'small', text });
    // Asked twice, it is made once.
    const headers = isMade ? { 'idempotency-key': `"${randomHex()}"` } : {};
    show(button, false);
    button.addEventListener('click', async () => {
      if (sure !== undefined && button.textContent !== sure) {
        setText(button, sure);
        await wait(SURE_MS, this.#open.signal);
        return setText(button, text);
      }
      button.disabled = true;
      this.#say(`${text.toLowerCase()}…`);
      try {
        const batch = await this.#api.json<Batch>(`${this.#path}/${name}`, { method: 'POST', headers });
        this.#say(isMade ? `${done}: ${batch.id}` : done);
        if (!isMade) this.#onProgress(batch);
      } catch (error) {
        this.#say(inWords(error), 'bad');
      }
      button.disabled = false;
    });
    return button;
  }

  #say(words: string, level = ''): void {
    setText(this.#says, words);
    this.#says.dataset.level = level;
  }

  async #report(): Promise<void> {
    try {
      const report = await this.#api.json<BatchReport>(`${this.#path}/report`, { signal: this.#open.signal });
      const shown = report.reasons.slice(0, MOST_REASONS);
      const left = report.reasons.length - shown.length;
      this.#reasons.replaceChildren(
        el('h3', { text: shown.length === 0 ? 'Every request so far is ok.' : 'Why requests are not ok' }),
        el('ul', { class: 'rows' }, ...shown.map(reasonRow)),
        ...(left > 0 ? [el('p', { class: 'unit', text: `and ${counted(left, 'reason')} more in the report` })] : []),
      );
    } catch (error) {
      if (!this.#open.signal.aborted) this.#reasons.replaceChildren(el('p', { class: 'error', text: inWords(error) }));
    }
  }

  async #follow(): Promise<void> {
    try {
      await follow(this.#api, `${this.#path}/results?follow=true&skip=${this.#skip}`, {
        signal: this.#open.signal,
        silentMs: SILENT_MS,
        onState: (state) => {
          if (state.state === 'waiting') this.#tell(`${state.why}; again in ${state.seconds} s`);
          else this.#tell(state.state === 'live' ? 'as they are settled' : 'connecting…');
        },
        onEvent: ({ type, data }) => {
          if (type === 'error') throw new Error((JSON.parse(data) as { message: string }).message);
          if (type === 'message') this.#show(JSON.parse(data) as Result);
          else this.#onProgress(JSON.parse(data) as Batch);
          return type === 'end';
        },
      });
      this.#results.end();
      // Only the end is read out.
      this.#following.setAttribute('role', 'status');
      this.#tell('that was the last one');
    } catch (error) {
      this.#tell(inWords(error));
    }
  }

  #tell(words: string): void {
    const before = this.#skip > 0 ? ` after the first ${this.#skip.toLocaleString('en-US')}` : '';
    setText(this.#following, `${counted(this.#read, 'result')}${before}, ${words}`);
  }

  #show(result: Result): void {
    this.#read++;
    const { id, host, outcome, timing } = result;
    const name = host === undefined ? id : host;
    const took = duration(timing.openMs + timing.runMs);
    const isBad = outcome !== 'ok';
    this.#results.line(
      visible(`${isBad ? '✕' : '✓'} ${name}`),
      `${outcome.replace('_', ' ')} · ${took} · ${visible(saidBy(result))}`,
      isBad ? 'stderr' : '',
    );
    this.#tell('as they are settled');
  }
}

function randomHex(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function reasonRow({ outcome, code, message, count, hosts }: BatchReport['reasons'][number]): HTMLElement {
  return el(
    'li',
    {},
    el('span', { class: 'count', text: count.toLocaleString('en-US') }),
    el(
      'span',
      { class: 'what' },
      el('span', {
        class: 'state',
        'data-level': outcome === 'failed' || outcome === 'unknown' ? 'bad' : 'warn',
        text: outcome.replace('_', ' '),
      }),
      ` · ${visible(message)}${code === undefined ? '' : ` (${code})`}`,
    ),
    el('code', { class: 'more', text: visible(hosts) }),
  );
}

/** The answer in one line: exit status and what it printed, or the error. */
function saidBy({ response, error }: Result): string {
  if (error) return `${error.code}: ${error.message}`.slice(0, LONGEST_SAID);
  const { code, signal, stdout, stderr } = (response ?? {}) as Record<string, unknown>;
  if (stdout === undefined && stderr === undefined) return JSON.stringify(response ?? null).slice(0, LONGEST_SAID);
  const ended = signal ? `killed by ${String(signal)}` : `exit ${String(code)}`;
  const printed = [stdout, stderr].map((one) => (one ? textOf(one as Answered).trim() : '')).filter(Boolean);
  return `${ended} · ${printed.join(' | ')}`.replaceAll('\n', ' ⏎ ').slice(0, LONGEST_SAID);
}
