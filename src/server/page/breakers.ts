import { type Api, inWords } from './api.js';
import { byId, el, KeyedList, type Row, setText, show } from './dom.js';
import { count, counted, span } from './figures.js';
import type { Host } from './shapes.js';
import { visible } from './text.js';
import { wait } from './time.js';

type Stopped = Required<Host>;

const LOOK_MS = 1_000;
/** More of them is a matter for the API. */
const MOST = 50;

/** The peers that nobody may try for now. The figures say how many there are; who they are is asked while there are some. */
export class Breakers {
  readonly #api: Api;
  readonly #signal: AbortSignal;
  readonly #rows = new KeyedList<Stopped>(byId('breaker-rows'), ({ key }) => key, breakerRow);
  #isLooking = false;

  constructor(api: Api, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
  }

  /** `stopped`: keys that the shards let alone. */
  update(stopped: number): void {
    setText(byId('breakers-note'), stopped > 0 ? `${counted(stopped, 'key')} let alone` : '');
    if (stopped > 0) void this.#look();
    else this.#show([]);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const path = `/v1/hosts?stopped=true&limit=${MOST}`;
      const { hosts } = await this.#api.json<{ hosts: Host[] }>(path, { signal: this.#signal });
      this.#show(hosts.filter((host): host is Stopped => host.breaker !== undefined));
    } catch (error) {
      if (!this.#signal.aborted) setText(byId('breakers-note'), inWords(error));
    }
    await wait(LOOK_MS / 2, this.#signal);
    this.#isLooking = false;
  }

  #show(hosts: readonly Stopped[]): void {
    this.#rows.update(hosts);
    show(byId('breaker-rows'), hosts.length > 0);
    show(byId('breakers-empty'), hosts.length === 0);
  }
}

function breakerRow({ key }: Stopped): Row<Stopped> {
  const what = el('span', { class: 'state', 'data-level': 'bad' });
  const left = el('span', { class: 'aside' });
  const more = el('span', { class: 'more' });
  const element = el('li', {}, what, el('code', { class: 'what', text: visible(key) }), left, more);
  const update = ({ breaker }: Stopped) => {
    setText(what, breaker.what === 'log_in' ? 'log-in' : 'connect');
    const next = breaker.state === 'probing' ? 'being tried' : 'next may try';
    setText(left, breaker.state === 'open' && breaker.forMs > 0 ? `${span(breaker.forMs)} more` : next);
    setText(more, visible(`${count(breaker.failures)} failures: ${breaker.message}`));
  };
  return { element, update };
}
