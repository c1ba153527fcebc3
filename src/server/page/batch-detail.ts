import { type Api, inWords } from './api.js';
import { el, setText, show } from './dom.js';
import { follow } from './feed.js';
import { counted, duration } from './figures.js';
import { Output } from './output.js';
import { textOf } from './run-form.js';
import type { Answered, Batch, BatchReport, Principal, Result } from './shapes.js';
import { visible } from './text.js';
import { every } from './time.js';

const REPORT_MS = 3_000;
const SILENT_MS = 60_000;
/** More of them is for the report. */
const MOST_REASONS = 20;
const LONGEST_SAID = 300;

/** One batch, opened: why requests are not ok, its results as they come, and what can be done about it. */
export class BatchDetail {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #path: string;
  readonly #open = new AbortController();
  readonly #says = el('p', { class: 'says', role: 'status' });
  readonly #actions: { button: HTMLButtonElement; when: readonly string[] }[];
  readonly #following = el('p', { class: 'unit', role: 'status' });
  readonly #results: Output;
  readonly #reasons = el('div', { class: 'reasons' });
  #state = '';
  #read = 0;

  constructor(api: Api, principal: Principal, { id }: Batch, signal: AbortSignal) {
    this.#api = api;
    this.#path = `/v1/batches/${encodeURIComponent(id)}`;
    signal.addEventListener('abort', () => this.#open.abort(), { signal: this.#open.signal });
    this.#actions = [
      this.#action('Cancel', 'cancel', ['running', 'interrupted']),
      this.#action('Resume', 'resume', ['interrupted']),
      this.#action('Retry what is not ok', 'retry', ['done', 'stopped', 'canceled']),
    ];
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
    void every(REPORT_MS, this.#open.signal, () => this.#report());
    void this.#follow();
  }

  update({ state }: Batch): void {
    for (const { button, when } of this.#actions) show(button, when.includes(state));
    if (this.#state !== '' && this.#state !== state) void this.#report();
    this.#state = state;
  }

  close(): void {
    this.#open.abort();
    this.element.remove();
  }

  #action(text: string, name: string, when: readonly string[]): { button: HTMLButtonElement; when: readonly string[] } {
    const button = el('button', { type: 'button', class: 'small', text });
    show(button, false);
    button.addEventListener('click', async () => {
      button.disabled = true;
      setText(this.#says, `${text.toLowerCase()}…`);
      try {
        const answer = await this.#api.json<Batch | undefined>(`${this.#path}/${name}`, { method: 'POST' });
        const other =
          answer?.id !== undefined && !this.#path.endsWith(encodeURIComponent(answer.id)) ? `: ${answer.id}` : '';
        setText(this.#says, `${DONE[name] ?? name}${other}`);
        this.#says.dataset.level = '';
      } catch (error) {
        setText(this.#says, inWords(error));
        this.#says.dataset.level = 'bad';
      }
      button.disabled = false;
    });
    return { button, when };
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
      await follow(this.#api, `${this.#path}/results?follow=true`, {
        signal: this.#open.signal,
        silentMs: SILENT_MS,
        onState: (state) => {
          if (state.state === 'waiting') this.#tell(`${state.why}; again in ${state.seconds} s`);
          else this.#tell(state.state === 'live' ? 'as they are settled' : 'connecting…');
        },
        onEvent: ({ type, data }) => {
          if (type === 'end') return true;
          this.#read++;
          this.#show(JSON.parse(data) as Result);
          return undefined;
        },
      });
      this.#results.end();
      this.#tell('that was the last one');
    } catch (error) {
      this.#tell(inWords(error));
    }
  }

  #tell(words: string): void {
    setText(this.#following, `${counted(this.#read, 'result')}, ${words}`);
  }

  #show(result: Result): void {
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

const DONE: Readonly<Record<string, string>> = {
  cancel: 'canceled',
  resume: 'goes on',
  retry: 'tried again as a batch of its own',
};

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
      ` ${visible(message)}${code === undefined ? '' : ` (${code})`}`,
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
