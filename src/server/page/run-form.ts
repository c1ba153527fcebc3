import { type Api, inWords, Problem, piecesOf } from './api.js';
import { byId, el, setText, show } from './dom.js';
import { duration } from './figures.js';
import { Output } from './output.js';
import type { Answered, Principal, Result } from './shapes.js';

type Level = '' | 'ok' | 'warn' | 'bad';

const LEVELS: Readonly<Record<string, Level>> = {
  ok: 'ok',
  failed: 'bad',
  not_started: 'warn',
  unknown: 'bad',
  canceled: 'warn',
};

/** What the form begins with, by what is chosen. */
const EXAMPLES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    json: { driver: 'echo', request: { key: 'web-17', payload: 'hello', delayMs: 500 } },
    http: { driver: 'http', request: { url: 'https://api.example/v1/machines' } },
    smtp: {
      driver: 'smtp',
      request: { account: 'mail', from: 'ana@mail.example', to: 'bob@mail.example', subject: 'Hello', text: 'Hello' },
    },
    stdio: { driver: 'stdio', request: { server: 'memory', method: 'tools/list' } },
  }).map(([chosen, body]) => [chosen, JSON.stringify(body, null, 2)]),
);

/** The form that runs one request, and shows what comes while it comes. */
export class RunForm {
  readonly #api: Api;
  readonly #signal: AbortSignal;
  readonly #driver = byId('run-driver', HTMLSelectElement);
  readonly #go = byId('run-go', HTMLButtonElement);
  readonly #cancel = byId('run-cancel', HTMLButtonElement);
  #running: AbortController | undefined = undefined;

  constructor(api: Api, principal: Principal, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
    byId('run-fields', HTMLFieldSetElement).disabled = !principal.run;
    this.#go.disabled = !principal.run;
    show(byId('run-denied'), !principal.run);
    this.#driver.addEventListener('change', () => this.#showFields(), { signal });
    byId('run-form').addEventListener('submit', (event) => this.#submit(event), { signal });
    this.#cancel.addEventListener('click', () => this.#running?.abort(), { signal });
    signal.addEventListener('abort', () => this.#running?.abort());
    this.#showFields();
  }

  #showFields(): void {
    const { value } = this.#driver;
    const shown = value === 'ssh' ? 'ssh' : 'json';
    for (const field of document.querySelectorAll<HTMLElement>('#run-form [data-for]'))
      show(field, field.dataset.for === shown);
    const json = byId('run-json', HTMLTextAreaElement);
    // What somebody has written stays.
    const isWritten = json.value !== '' && !Object.values(EXAMPLES).includes(json.value);
    if (!isWritten) json.value = EXAMPLES[value] ?? json.value;
  }

  #submit(event: Event): void {
    event.preventDefault();
    if (this.#running) return;
    const error = byId('run-error');
    setText(error, '');
    try {
      void this.#run(bodyOf(this.#driver.value));
    } catch (wrong) {
      setText(error, inWords(wrong));
    }
  }

  async #run(body: object): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    const output = new Output('Output of the request');
    byId('run-output').replaceChildren(output.element);
    this.#go.disabled = true;
    this.#cancel.disabled = false;
    this.#say('running…', '');
    const began = performance.now();
    try {
      const result = await this.#read(body, output, running.signal);
      output.end();
      if (result) this.#tell(result, output);
      else this.#say('broke off: the service sent no result', 'bad');
    } catch (error) {
      output.end();
      if (running.signal.aborted) this.#say(`canceled after ${duration(performance.now() - began)}`, 'warn');
      else {
        this.#say(error instanceof Problem ? 'not run' : 'broke off', 'bad');
        setText(byId('run-error'), inWords(error));
      }
    } finally {
      this.#running = undefined;
      this.#go.disabled = this.#signal.aborted;
      // The focus must not be lost with the button that had it.
      if (document.activeElement === this.#cancel) this.#go.focus();
      this.#cancel.disabled = true;
    }
  }

  /** The lines as they come. What has an outcome is the last one: the result. */
  async #read(body: object, output: Output, signal: AbortSignal): Promise<Result | undefined> {
    const response = await this.#api.open('/v1/stream', {
      method: 'POST',
      accept: 'application/x-ndjson',
      body,
      signal,
    });
    const decoders = new Map<string, TextDecoder>();
    let rest = '';
    for await (const piece of piecesOf(response)) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // A heartbeat.
        if (line.trim() === '') continue;
        const said = JSON.parse(line) as Result | { channel: string; data?: string; base64?: string };
        if ('outcome' in said) return said;
        const { channel } = said;
        let decoder = decoders.get(channel);
        if (!decoder) {
          decoder = new TextDecoder();
          decoders.set(channel, decoder);
        }
        output.write(channel, said.data ?? decoder.decode(bytesOf(said.base64 ?? ''), { stream: true }));
      }
    }
    return undefined;
  }

  #tell(result: Result, output: Output): void {
    const { outcome, response, error, timing, shard, reused, attempts } = result;
    const { code, signal, ...others } = (response ?? {}) as { code?: number | null; signal?: string | null };
    const ended = typeof code === 'number' ? `exit ${code}` : typeof signal === 'string' ? `killed by ${signal}` : '';
    this.#say([outcome.replace('_', ' '), ended].filter(Boolean).join(' · '), LEVELS[outcome] ?? '');
    if (error) setText(byId('run-error'), `${error.message} (${error.code})`);
    const facts: [string, string][] = [
      ['queued', duration(timing.queuedMs)],
      ['open', duration(timing.openMs)],
      ['run', duration(timing.runMs)],
      ['shard', shard < 0 ? 'none' : String(shard)],
      ['connection', reused ? 'reused' : 'new'],
      ...(attempts > 1 ? ([['tries', String(attempts)]] as [string, string][]) : []),
    ];
    byId('run-output').append(
      el(
        'dl',
        { class: 'facts' },
        ...facts.map(([name, value]) => el('div', {}, el('dt', { text: name }), el('dd', { text: value }))),
      ),
    );
    const answer = answerOf(others);
    // What was streamed has said it already.
    if (answer === undefined || !output.isEmpty) return;
    output.write('answer', answer);
    output.end();
  }

  #say(words: string, level: Level): void {
    const state = byId('run-state');
    setText(state, words);
    state.dataset.level = level;
  }
}

/** What a protocol of messages answered in the end. Of a command all has been shown already. */
function answerOf(response: object): string | undefined {
  const { stdout: _, stderr: __, truncated: ___, ...rest } = response as Record<string, unknown>;
  const said = Object.values(rest).some((value) => value !== undefined && value !== null);
  return said ? JSON.stringify(rest, null, 2) : undefined;
}

/** What is sent. Throws where a field is wrong, which it names. */
function bodyOf(driver: string): object {
  const timeoutMs = 1000 * (byId('run-timeout', HTMLInputElement).valueAsNumber || 0);
  if (driver !== 'ssh') {
    const text = byId('run-json', HTMLTextAreaElement).value;
    try {
      return { timeoutMs, ...(JSON.parse(text) as object) };
    } catch (error) {
      throw new Error(`The request is not JSON: ${(error as Error).message}`);
    }
  }
  const typed = byId('run-host', HTMLInputElement).value.trim();
  const command = byId('run-command', HTMLInputElement).value;
  if (typed === '') throw new Error('Which host?');
  if (command.trim() === '') throw new Error('Which command?');
  return { driver: 'ssh', request: { ...addressOf(typed), command }, timeoutMs };
}

/** `user@host:port`; IPv6 in brackets. */
function addressOf(typed: string): { host: string; user?: string; port?: number } {
  const [, user, host, port] = /^(?:([^@\s]+)@)?(\[[^\]\s]+\]|[^:@\s]+|[0-9a-f:.]+)(?::(\d{1,5}))?$/i.exec(typed) ?? [];
  if (host === undefined) throw new Error(`Not a host: ${typed}. Write web-17, deploy@web-17 or deploy@web-17:2222.`);
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** Bytes that are not text come as base64. */
export function textOf(answered: Answered): string {
  return typeof answered === 'string' ? answered : new TextDecoder().decode(bytesOf(answered.base64));
}
