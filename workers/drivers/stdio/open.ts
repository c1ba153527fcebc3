import { type ErrorCode, KeylaneError } from '../../../src/errors.js';
import type { StdioTarget } from '../../../src/specs/stdio.js';
import type { OpenContext } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import { Child } from './child.js';
import { StdioConnection } from './connection.js';
import { notStarted } from './failures.js';
import type { Guardian } from './guardian.js';
import type { Restarts } from './restarts.js';

/** Before the pool's own deadline, which knows nothing of what the process said. */
const MARGIN_MS = 50;

/** Starts processes. One for each shard: it knows of all that were started there. */
export class Opener {
  readonly #clock: Clock;
  readonly #guardian: Guardian;
  readonly #restarts: Restarts;

  constructor(clock: Clock, guardian: Guardian, restarts: Restarts) {
    this.#clock = clock;
    this.#guardian = guardian;
    this.#restarts = restarts;
  }

  async open(target: StdioTarget, { signal, deadline, lost, ask }: OpenContext): Promise<StdioConnection> {
    const { name } = target;
    await this.#restarts.turn(name, target.restartsPerMinute, signal);
    const begun = this.#clock.now();
    const secrets = await valuesOf(target, (reference) => ask('secret', reference));
    const child = await this.#start(target, secrets);
    const witness = {
      ended: (said: () => string) => this.#restarts.ended(name, said),
      served: () => this.#restarts.served(name),
    };
    const connection = new StdioConnection(target, child, this.#clock, witness, lost);
    const aborted = () => connection.abandon();
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    try {
      const { startTimeoutMs = Number.POSITIVE_INFINITY } = target;
      const left = Math.min(begun + startTimeoutMs, deadline - MARGIN_MS) - this.#clock.now();
      await connection.begin(left);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', aborted);
    }
  }

  async #start(target: StdioTarget, secrets: Record<string, string>): Promise<Child> {
    try {
      return await Child.start(target, secrets, this.#guardian, this.#clock);
    } catch (cause) {
      const error = notStarted(target, cause as NodeJS.ErrnoException);
      this.#restarts.ended(target.name, () => error.message);
      throw error;
    }
  }
}

/** What the references of its environment lead to. An error says whose they are. */
async function valuesOf(
  { name, secrets }: StdioTarget,
  ask: (reference: string) => Promise<string>,
): Promise<Record<string, string>> {
  const values = Object.entries(secrets).map(async ([variable, reference]) => {
    const wrong = (code: ErrorCode, says: string, cause?: unknown) =>
      new KeylaneError(code, `stdio.servers.${name}.env.${variable}: ${says}`, { key: name, cause });
    const value = await ask(reference).catch((error: unknown) => {
      throw error instanceof KeylaneError ? wrong(error.code, error.message, error) : error;
    });
    if (value.includes('\0')) throw wrong('ERR_CONFIG', `what ${reference} leads to holds NUL`);
    return [variable, value] as const;
  });
  return Object.fromEntries(await Promise.all(values));
}
