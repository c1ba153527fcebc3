import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type CallOptions, type Engine, KeylaneError, type Outcome, type SshRequest } from 'keylane';
import { Random } from '../../test/support/random.js';
import type { SoakHost, SoakHosts } from '../soak/fleet.js';
import type { Figures } from '../soak/verdicts.js';

/** Calls at once. Each waits a while after each, so that the machine is not the bottleneck. */
const CALLERS = 24;
const MOST_PAUSE_MS = 60;
const TIMEOUT_MS = 3_000;

/** Asks of an engine a bit of everything, for ever, and counts what becomes of it. */
export class Work {
  readonly figures: Figures = { submitted: 0, outcomes: {}, codes: {}, wrong: [], lent: 0, latestMs: 0 };
  pending = 0;
  readonly #engine: Engine;
  readonly #hosts: SoakHosts;
  readonly #random: Random;
  #going = false;
  #callers: Promise<unknown>[] = [];
  #files = 0;

  constructor(engine: Engine, hosts: SoakHosts, seed: number) {
    this.#engine = engine;
    this.#hosts = hosts;
    this.#random = new Random(seed);
  }

  go(): void {
    this.#going = true;
    this.#callers = Array.from({ length: CALLERS }, () => this.#call());
  }

  /** Resolves when everything that was asked has settled. */
  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#callers);
    // Cut copies leave a part beside the file: a day of them would fill a disk.
    for (const name of readdirSync(this.#hosts.files)) {
      if (name !== 'known_hosts') rmSync(join(this.#hosts.files, name), { force: true });
    }
  }

  async #call(): Promise<void> {
    while (this.#going) {
      try {
        await this.#anything();
      } catch (error) {
        this.#wrong(`threw ${String((error as Error).stack ?? error)}`);
      }
      await wait(this.#random.below(MOST_PAUSE_MS));
    }
  }

  #anything(): Promise<unknown> {
    const random = this.#random;
    const light = random.pick(this.#hosts.light);
    const real = random.pick(this.#hosts.real);
    const kinds: [number, () => Promise<unknown>][] = [
      [24, () => this.#echo()],
      [30, () => this.#ssh(light, 'ok\n', {})],
      [6, () => this.#cat(real, {})],
      [2, () => this.#ssh(real, undefined, { command: 'echo out; echo err >&2; exit 3' })],
      [
        2,
        () =>
          this.#cat(this.#hosts.inner, {
            jump: [{ ...(this.#hosts.real[0] as SoakHost), knownHosts: this.#hosts.knownHosts }],
          }),
      ],
      [1, () => this.#cat(real, { transport: 'openssh' })],
      [5, () => this.#stream(real)],
      [3, () => this.#copy(real)],
      [7, () => this.#batch()],
      [8, () => this.#ssh(light, 'ok\n', {}, { signal: AbortSignal.timeout(random.below(400)) })],
      [2, () => this.#ssh(real, undefined, { command: 'sleep 5' }, { signal: AbortSignal.timeout(random.below(600)) })],
      [7, () => this.#ssh(light, 'ok\n', {}, { timeoutMs: 1 + random.below(60) })],
      [2, () => this.#ssh(real, undefined, { command: 'sleep 5', killTree: true }, { timeoutMs: 300 })],
      [4, () => this.#ssh(light, 'ok\n', {}, { attempts: 3, idempotent: true })],
      [4, () => this.#ssh(light, 'ok\n', {}, { labels: ['few'] })],
      [4, () => this.#ssh(light, 'ok\n', {}, { timeoutMs: 'auto', timeoutFloorMs: 500, timeoutCeilingMs: TIMEOUT_MS })],
    ];
    let at = random.below(kinds.reduce((sum, [weight]) => sum + weight, 0));
    const [, start] = kinds.find(([weight]) => {
      at -= weight;
      return at < 0;
    }) as (typeof kinds)[number];
    return start();
  }

  async #echo(): Promise<void> {
    const random = this.#random;
    const payload = random.next();
    const fault = random.pick([undefined, undefined, undefined, 'failed', 'hang', 'ERR_CONNECTION_LOST'] as const);
    const request = { key: `echo-${random.below(10)}`, payload, delayMs: random.below(30), ...(fault && { fault }) };
    const timeoutMs = fault === 'hang' ? 200 : TIMEOUT_MS;
    const response = await this.#settle(timeoutMs, this.#engine.run('echo', request, { timeoutMs }), (r) => !r.refused);
    if (response && response.payload !== payload) this.#wrong('an echo of something else');
  }

  async #ssh(to: SoakHost, output: string | undefined, what: Partial<SshRequest>, how: CallOptions = {}) {
    const options = { timeoutMs: TIMEOUT_MS, ...how };
    const call = this.#engine.run('ssh', { ...to, command: 'true', ...what }, options);
    const timeoutMs = options.timeoutMs === 'auto' ? TIMEOUT_MS : options.timeoutMs;
    const response = await this.#settle(timeoutMs, call, ({ code }) => code === 0);
    if (response?.code === 0 && what.jump) this.figures.lent++;
    if (response?.code === 0 && output !== undefined && response.stdout !== output)
      this.#wrong(`${to.host} printed ${JSON.stringify(response.stdout.slice(0, 100))}`);
  }

  #cat(to: SoakHost, what: Partial<SshRequest>): Promise<void> {
    const stdin = randomBytes(1 + this.#random.below(20_000)).toString('base64');
    return this.#ssh(to, stdin, { command: 'cat', stdin, ...what });
  }

  /** Both ways at once, under flow control; one in four is given up half way. */
  async #stream(to: SoakHost): Promise<void> {
    const sent = randomBytes(1 + this.#random.below(200_000));
    const giveUp = this.#random.below(4) === 0;
    const stream = this.#engine.stream('ssh', { ...to, command: 'cat', encoding: 'buffer' }, { timeoutMs: TIMEOUT_MS });
    const settled = this.#settle(TIMEOUT_MS, stream.response, ({ code }) => code === 0);
    void stream.write(sent).then(() => stream.end());
    const got = createHash('sha256');
    try {
      for await (const { data } of stream) {
        got.update(data);
        if (giveUp) break;
      }
    } catch {
      // `response` says it.
    }
    const response = await settled;
    const same = got.digest('hex') === createHash('sha256').update(sent).digest('hex');
    if (response?.code === 0 && !giveUp && !same) this.#wrong(`${to.host}: other bytes came than went`);
  }

  /** There and back again. */
  async #copy(to: SoakHost): Promise<void> {
    const { files } = this.#hosts;
    const number = this.#files++ % (CALLERS * 2);
    const [local, remote, back] = ['local', 'remote', 'back'].map((name) => join(files, `${name}-${number}`));
    const bytes = randomBytes(this.#random.below(100_000));
    writeFileSync(local as string, bytes);
    const ok = ({ code }: { code: number | null }) => code === 0;
    const copy = (request: Partial<SshRequest>) =>
      this.#settle(TIMEOUT_MS, this.#engine.run('ssh', { ...to, ...request }, { timeoutMs: TIMEOUT_MS }), ok);
    const put = await copy({ op: 'put', local: local as string, remote: remote as string });
    const get = put && (await copy({ op: 'get', local: back as string, remote: remote as string }));
    if (get && !readFileSync(back as string).equals(bytes)) this.#wrong(`${to.host}: a file came back changed`);
    for (const file of [local, remote, back]) rmSync(file as string, { force: true });
  }

  /** One in three is called off. */
  async #batch(): Promise<void> {
    const requests = Array.from({ length: 20 }, () => ({ ...this.#random.pick(this.#hosts.light), command: 'true' }));
    const signal = this.#random.below(3) === 0 ? AbortSignal.timeout(this.#random.below(500)) : undefined;
    const begun = performance.now();
    let [taken, settled] = [0, 0];
    const onStart = () => {
      taken++;
      this.#begin();
    };
    const concurrency = this.#random.pick([8, 'auto'] as const);
    const how = { concurrency, timeoutMs: TIMEOUT_MS, onStart, ...(signal && { signal }) };
    for await (const { outcome, error, response } of this.#engine.batch('ssh', requests, how)) {
      settled++;
      if (outcome === 'ok' && response?.stdout !== 'ok\n') this.#wrong('a batch got something else');
      this.#end(outcome, error?.code);
    }
    if (settled !== taken) this.#wrong(`a batch took ${taken} requests and told of ${settled}`);
    this.#late(performance.now() - begun - 3 * TIMEOUT_MS);
  }

  /** Counts one call; undefined where it got no answer. */
  async #settle<T>(timeoutMs: number, call: Promise<T>, ok: (response: T) => boolean): Promise<T | undefined> {
    this.#begin();
    const begun = performance.now();
    try {
      const response = await call;
      this.#end(ok(response) ? 'ok' : 'failed', undefined);
      return response;
    } catch (error) {
      if (error instanceof KeylaneError) this.#end(error.outcome, error.code);
      else this.#wrong(`rejected with ${String(error)}`);
      return undefined;
    } finally {
      this.#late(performance.now() - begun - timeoutMs);
    }
  }

  #begin(): void {
    this.figures.submitted++;
    this.pending++;
  }

  #end(outcome: Outcome, code: string | undefined): void {
    const { outcomes, codes } = this.figures;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (code !== undefined) codes[code] = (codes[code] ?? 0) + 1;
    this.pending--;
  }

  #late(ms: number): void {
    this.figures.latestMs = Math.max(this.figures.latestMs, Math.round(ms));
  }

  #wrong(what: string): void {
    if (this.figures.wrong.length < 20) this.figures.wrong.push(what);
  }
}
