import type { MessagePort } from 'node:worker_threads';
import { KeylaneError } from '../src/errors.js';
import type { Driver, OpenContext, Questions } from '../src/types.js';
import { type Clock, systemClock } from '../src/util/clock.js';
import { Deadlines } from '../src/util/deadlines.js';
import { FrameReader, type FrameVisitor } from '../src/wire/frame-reader.js';
import { Ledger } from '../src/wire/ledger.js';
import type { Limits } from '../src/wire/limits.js';
import { Outbox } from '../src/wire/outbox.js';
import type { CachePart, Command, Reply, RunCommand } from '../src/wire/protocol.js';
import type { KeysAsked, ShardKey } from '../src/wire/shard-key.js';
import { asKeylaneError, toWire } from '../src/wire/wire-error.js';
import { Asks } from './asks.js';
import type { Opener } from './driver-steps.js';
import { Fills, type FillsHost } from './fills.js';
import type { Flight } from './flight.js';
import { keyStates } from './key-states.js';
import { loadDriver } from './load-driver.js';
import type { Pool } from './pool.js';
import { Pools } from './pools.js';
import { processesOf } from './processes.js';
import { Run, type RunHost } from './run.js';
import { Starts } from './starts.js';
import { Trace } from './trace.js';
import { Vitals } from './vitals.js';

/** What the main thread hands to a shard at its start. */
export interface ServeTask {
  port: MessagePort;
  ledger: SharedArrayBuffer;
  limits: Limits;
  /** Modules of drivers of one's own: name → URL. */
  drivers: Record<string, string>;
  /** How long to trace whose code runs; 0 for not at all. */
  traceMs: number;
}

const NO_CONNECTION = 'the deadline passed before a connection was open and had room';

/** A shard's one task: serves requests that come over the port until it is told to drain, then resolves. */
export function serve(
  task: ServeTask,
  clock: Clock = systemClock,
  load = loadDriver,
  random = Math.random,
): Promise<void> {
  return new Promise((resolve) => new Shard(task, clock, load, random, resolve));
}

/**
 * One shard: owns the connections of its keys, alone. Everything it does is a synchronous step between two events, so
 * there is nothing to lock.
 */
class Shard implements RunHost, FillsHost, FrameVisitor<Command> {
  trace: Trace | undefined = undefined;
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #outbox: Outbox<Reply>;
  readonly #pools: Pools;
  readonly #asks: Asks;
  readonly #deadlines: Deadlines<Flight>;
  readonly #fills: Fills;
  readonly #vitals: Vitals;
  readonly #ownDrivers: Record<string, string>;
  readonly #load: typeof loadDriver;
  readonly #drivers = new Map<string, Driver | Promise<Driver>>();
  /** Made where the first is to be held back. */
  starts: Starts | undefined;
  /** Runs, and who waits for fills, by slot. */
  readonly #runs: (Flight | undefined)[] = [];
  #running = 0;
  readonly #spent: boolean;
  #waitingForEnd: (() => void) | undefined = undefined;
  #traceEnd: { cancel(): void } | undefined = undefined;

  constructor(
    { port, ledger, limits, drivers, traceMs }: ServeTask,
    clock: Clock,
    load: typeof loadDriver,
    random: () => number,
    ended: () => void,
  ) {
    this.#clock = clock;
    this.#ledger = new Ledger(ledger);
    this.#ownDrivers = drivers;
    this.#load = load;
    this.#outbox = new Outbox(
      (frame) => port.postMessage(frame, [frame.buffer]),
      (reply, why) => this.#unsendable(reply, why),
    );
    this.#asks = new Asks((ask) => this.reply(ask));
    this.#deadlines = new Deadlines(
      clock,
      () => (this.#fills.size === 0 ? this.#runs : [...this.#runs, ...this.#fills.runs]),
      (run) => run.abort(this.#timedOut(run)),
    );
    const open: Opener = (pool, connection, signal) => {
      const context: OpenContext = {
        signal,
        deadline: connection.dueAt,
        lost: () => pool.retire(connection, 'lost'),
        lease: (target) => this.#pools.leaseFor(connection, target, signal),
        ask: (question, about) => {
          const asking = this.#asks.ask(question, about);
          return question === 'host_key' ? this.#pools.steps.pause(connection, asking) : asking;
        },
      };
      const begin = () => pool.driver.open(pool.target, context);
      return this.trace ? this.trace.run(pool.keyName, begin) : begin();
    };
    this.#spent = limits.ratesSpent === true;
    if (limits.ratePerKey !== undefined && limits.ratePerKey !== Number.POSITIVE_INFINITY) this.#startsOf(limits);
    this.#fills = new Fills(this, limits.cacheBytes);
    this.#pools = new Pools(clock, limits, open, { random, tell: (event) => this.reply({ kind: 'event', event }) });
    const reader = new FrameReader<Command>();
    port.on('message', (frame: Uint8Array) => reader.read(frame, this));
    this.#vitals = new Vitals(clock, this.#ledger, random);
    if (traceMs > 0) this.#traceFor(traceMs);
    this.#waitingForEnd = () => {
      this.#vitals.stop();
      this.#traceEnd?.cancel();
      this.#deadlines.stop();
      this.starts?.stop();
      this.reply({ kind: 'drained' });
      this.#outbox.flush();
      port.close();
      ended();
    };
    this.reply({ kind: 'ready' });
  }

  now(): number {
    return this.#clock.now();
  }

  reply(reply: Reply): void {
    this.#outbox.push(reply);
  }

  noteSent({ command }: { readonly command: RunCommand }): void {
    this.#ledger.sent(command.slot, command.id);
  }

  noteRunning(slot: number): void {
    this.#ledger.running(slot);
  }

  ask<Q extends keyof Questions>(question: Q, about: Questions[Q]['about']): Promise<Questions[Q]['answer']> {
    return this.#asks.ask(question, about);
  }

  pause(key: string, ms: number): void {
    this.#startsOf().pause(key, ms);
  }

  watch(dueAt: number): void {
    this.#deadlines.watch(dueAt);
  }

  answered(run: Flight): void {
    this.#vitals.note(run.command.key, run.heldUs);
    this.#runs[run.command.slot] = undefined;
    this.#running--;
    if (this.#running === 0) this.#outbox.soon();
    if (this.#pools.shut && this.#running === 0) this.#end();
  }

  entered(run: Flight): void {
    this.#runs[run.command.slot] = run;
    this.#running++;
    this.#deadlines.watch(run.dueAt);
  }

  served({ key }: RunCommand): void {
    this.#vitals.note(key, 0);
    if (this.#running === 0) this.#outbox.soon();
  }

  filled(): void {
    if (this.#pools.shut && this.#running === 0) this.#end();
  }

  driverOf(name: string): Driver | undefined {
    const driver = this.#drivers.get(name);
    return driver instanceof Promise ? undefined : driver;
  }

  response(): never {
    throw new Error('the main thread sends no responses');
  }

  other(command: Exclude<Command, RunCommand>): void {
    switch (command.kind) {
      case 'cancel':
        this.#at(command)?.abort(new KeylaneError('ERR_CANCELED', 'the caller canceled the request'));
        break;
      case 'input':
        this.#at(command)?.input?.push(command.data, command.end);
        break;
      case 'credit':
        this.#at(command)?.credit(command.bytes);
        break;
      case 'answer':
        this.#asks.answer(command.ask, command.value, command.error);
        break;
      case 'stats':
        this.reply({ kind: 'stats', ask: command.ask, stats: this.#stats() });
        break;
      case 'keys':
        this.reply({ kind: 'keys', ask: command.ask, keys: this.#keys(command) });
        break;
      case 'release':
        void this.#release(command.ask, command.key);
        break;
      case 'invalidate':
        this.reply({ kind: 'invalidated', ask: command.ask, forgotten: this.#fills.invalidate(command.patterns) });
        break;
      case 'drain':
        this.#pools.shut = true;
        this.#fills.stop(new KeylaneError('ERR_CLOSED'));
        if (this.#running === 0) this.#end();
        break;
      default:
        command satisfies never;
    }
  }

  run(command: RunCommand): void {
    if (command.cache !== undefined) {
      this.#fills.run(command as RunCommand & { cache: CachePart });
      return;
    }
    const run = new Run(command, this);
    this.#runs[command.slot] = run;
    this.#running++;
    // A caller that has given up by now, because its thread or this one stood still, must not find that it ran.
    if (run.cameLate) {
      run.abort(this.#timedOut(run));
      return;
    }
    this.#deadlines.watch(command.deadline);
    this.begin(run);
  }

  begin(run: Run): void {
    const { command } = run;
    const found = command.told?.found as Pool | undefined;
    if (found !== undefined && !found.hasLeft) {
      run.start(found.driver, found, run.arrived);
      return;
    }
    const driver = this.#driver(command.driver);
    if (driver instanceof Promise) {
      driver.then(
        (loaded) => this.#admit(run, loaded, this.now()),
        (thrown: Error) =>
          run.waiting &&
          run.refused(
            new KeylaneError('ERR_CONFIG', `the driver \`${command.driver}\` does not load: ${thrown.message}`, {
              cause: thrown,
            }),
          ),
      );
    } else {
      this.#admit(run, driver, run.arrived);
    }
  }

  #admit(run: Run, driver: Driver, now: number): void {
    if (!run.waiting) return;
    const { key, lane, target, told } = run.command;
    let pool: Pool;
    try {
      pool = this.#pools.of(key, lane, target, driver);
    } catch (thrown) {
      // A driver of one's own that does not know its own target.
      run.refused(asKeylaneError(thrown, 'not_started'));
      return;
    }
    if (pool.limits.quotas) this.#startsOf();
    if (told !== undefined) told.found = pool;
    run.start(driver, pool, now);
  }

  #startsOf({ ratePerKey: perSecond, burstPerKey: burst = 1 }: Partial<Limits> = {}): Starts {
    this.starts ??= new Starts(this.#clock, perSecond === undefined ? undefined : { perSecond, burst }, this.#spent);
    return this.starts;
  }

  /** Loaded at first use: a shard that never speaks SSH does not hold ssh2. */
  #driver(name: string): Driver | Promise<Driver> {
    const known = this.#drivers.get(name);
    if (known) return known;
    const loading = this.#load(name, this.#ownDrivers).then((driver) => {
      this.#drivers.set(name, driver);
      return driver;
    });
    this.#drivers.set(name, loading);
    // A failure is everybody's who waits for it, and nobody's after.
    loading.catch(() => this.#drivers.delete(name));
    return loading;
  }

  /** The run in the slot, unless it is a later one. */
  #at({ slot, id }: { slot: number; id: number }): Flight | undefined {
    const run = this.#runs[slot];
    return run?.command.id === id ? run : undefined;
  }

  async #release(ask: number, key: string): Promise<void> {
    const inUse = this.#slotOf(key) >= 0 || this.starts?.remembers(key) || this.#fills.isFilling(key);
    const released = !inUse && (await this.#pools.release(key));
    // Were it to come back, it would be given answers that are older than what it was given meanwhile.
    if (released) this.#fills.invalidate([`key:${key}`]);
    this.reply({ kind: 'released', ask, released });
  }

  #end(): void {
    // A refresh that was told to end does so within its grace.
    if (this.#fills.size > 0) return;
    const ended = this.#waitingForEnd;
    this.#waitingForEnd = undefined;
    if (ended) void this.#pools.end(new KeylaneError('ERR_CLOSED')).then(ended);
  }

  #stats() {
    const { counts, totals, size, keys, closedBy, streams } = this.#pools;
    const waiting = this.#runs.reduce((sum, run) => sum + (run?.waiting ? 1 : 0), 0);
    return {
      requests: this.#running,
      ...this.#vitals.stats(),
      waiting,
      connections: { ...counts },
      lanes: size,
      keys: keys.size,
      cache: this.#fills.stats,
      stopped: keys.stopped,
      ...totals,
      closedBy: { ...closedBy },
      streams,
      breakers: keys.breakers,
      rates: this.starts?.stats ?? { waiting: 0, delayed: 0, paused: 0 },
      ...processesOf(this.#drivers.values()),
    };
  }

  #keys(asked: KeysAsked): ShardKey[] {
    const names = new Map([...this.#drivers].map(([name, driver]) => [driver, name]));
    return keyStates(asked, this.#pools, this.#runs, this.starts?.paused ?? [], (driver) => names.get(driver));
  }

  #unsendable(reply: Reply, why: Error): void {
    if (reply.kind !== 'response') throw why;
    const { slot, id, queuedUs, openUs, runUs, reused } = reply;
    const error = new KeylaneError('ERR_PROTOCOL', `the response cannot be encoded: ${why.message}`);
    this.reply({ kind: 'error', slot, id, queuedUs, openUs, runUs, reused, error: toWire(error) });
  }

  #timedOut({ command, ticket, waiting }: Flight): KeylaneError {
    if (!waiting) return new KeylaneError('ERR_TIMEOUT', 'the deadline passed');
    return this.starts?.lateError(command.key, ticket) ?? new KeylaneError('ERR_TIMEOUT', NO_CONNECTION);
  }

  #traceFor(ms: number): void {
    const trace = new Trace((key) => this.#ledger.running(key === undefined ? -1 : this.#slotOf(key)));
    this.trace = trace;
    this.#traceEnd = this.#clock.timer(ms, () => {
      trace.stop();
      this.trace = undefined;
    });
  }

  /** A slot by which the main thread knows the key; −1 where nothing of it is in flight. */
  #slotOf(key: string): number {
    return this.#runs.findIndex((run) => run?.command.key === key);
  }
}
