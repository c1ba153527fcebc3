import { lookup } from 'node:dns';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeylaneError } from '../errors.js';
import type { Questions } from '../types.js';
import type { Clock } from '../util/clock.js';
import { SingleFlight } from '../util/single-flight.js';
import type { Ask } from '../wire/protocol.js';
import { Confirmations, type ConfirmHostKey } from './confirmations.js';
import { type ReadSecret, secretReader } from './secret.js';

/** Look-ups in flight in this process: libuv has 4 threads, and files need some. */
const LOOKUPS = 2;
/** How long an answer of the resolver is kept; it tells no lifetime of its own. */
const KEEP_MS = 60_000;
const LOOKUP_TIMEOUT_MS = 10_000;
const MOST_KEPT = 10_000;

type Addresses = Questions['lookup']['answer'];
export type TokenSource = (about: Questions['token']['about']) => Promise<Questions['token']['answer']>;
export type Resolve = (host: string) => Promise<Addresses>;

/** Answers what shards ask: what only the main thread may do, or what must be done once for all shards. */
export class Answers {
  readonly #names: Names;
  readonly #people: Confirmations;
  readonly #readSecret: ReadSecret;
  readonly #secrets = new SingleFlight<string>();
  /** Who has the accounts: the engine, which is made after its shards. */
  tokens: TokenSource = () => Promise.reject(new KeylaneError('ERR_INPUT', 'there are no accounts here'));

  constructor(
    clock: Clock,
    confirm: ConfirmHostKey | undefined = undefined,
    resolve: Resolve = systemResolve,
    readSecret: ReadSecret = secretReader(false, clock),
  ) {
    this.#readSecret = readSecret;
    this.#people = new Confirmations(clock, confirm);
    this.#names = new Names(clock, resolve);
  }

  answer(ask: Ask): Promise<unknown> {
    switch (ask.question) {
      case 'secret':
        return this.#secrets.run(ask.about, () => this.#readSecret(ask.about));
      case 'token':
        return this.tokens(ask.about);
      case 'lookup':
        return this.#names.addresses(ask.about);
      case 'host_key':
        return this.#people.ask(ask.about);
      case 'known_hosts':
        return addKnownHost(ask.about);
      default:
        return ask satisfies never;
    }
  }
}

/** Host names: single-flight, cached, at most two look-ups at once. */
class Names {
  readonly #clock: Clock;
  readonly #resolve: Resolve;
  readonly #kept = new Map<string, { until: number; addresses: Promise<Addresses> }>();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(clock: Clock, resolve: Resolve) {
    this.#clock = clock;
    this.#resolve = resolve;
  }

  addresses(host: string): Promise<Addresses> {
    const known = this.#kept.get(host);
    if (known && this.#clock.now() < known.until) return known.addresses;
    const kept = { until: Number.POSITIVE_INFINITY, addresses: this.#lookup(host) };
    kept.addresses.then(
      () => {
        kept.until = this.#clock.now() + KEEP_MS;
      },
      // A failure is everybody's who waits for it, and nobody's after.
      () => this.#kept.delete(host),
    );
    this.#kept.delete(host);
    this.#kept.set(host, kept);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return kept.addresses;
  }

  async #lookup(host: string): Promise<Addresses> {
    if (this.#inFlight >= LOOKUPS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
    try {
      return await this.#within(host);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inFlight--;
    }
  }

  #within(host: string): Promise<Addresses> {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new KeylaneError('ERR_DNS', `no answer for ${host} after ${LOOKUP_TIMEOUT_MS / 1000} s`));
      const timer = this.#clock.timer(LOOKUP_TIMEOUT_MS, late);
      this.#resolve(host)
        .then(resolve, (cause) =>
          reject(new KeylaneError('ERR_DNS', `${host} cannot be looked up: ${whyNot(cause)}`, { cause })),
        )
        .finally(() => timer.cancel());
    });
  }
}

const systemResolve: Resolve = (host) =>
  new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });

/** One write in append mode: whole lines, whoever else writes. */
async function addKnownHost({ file, line }: Questions['known_hosts']['about']): Promise<null> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'a+', 0o600);
    try {
      // A last line without its end would swallow ours. Two who see that at once leave an empty line, which is none.
      await handle.appendFile((await endsInLine(handle)) ? `${line}\n` : `\n${line}\n`);
    } finally {
      await handle.close();
    }
    return null;
  } catch (cause) {
    throw new KeylaneError('ERR_HOST_KEY', `the host key cannot be added to ${file}: ${codeOf(cause)}`, { cause });
  }
}

async function endsInLine(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return true;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === '\n';
}

/** Of a look-up, with what to look at. */
function whyNot(cause: unknown): string {
  const code = codeOf(cause);
  if (code === 'ENOTFOUND') return 'there is no such name (ENOTFOUND); is it written right?';
  return code === 'EAI_AGAIN' ? "this machine's resolver does not answer (EAI_AGAIN)" : code;
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause);
}
