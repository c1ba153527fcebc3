import { makeSshSpec, type SshOptions } from '../../src/specs/ssh.js';
import type { SshRequest, SshResponse } from '../../src/ssh-types.js';
import type { Questions } from '../../src/types.js';
import type { SshConnection } from '../../workers/drivers/ssh/connection.js';
import { load } from '../../workers/drivers/ssh/index.js';
import { FakeExecute, FakeOpen } from './driver-context.js';

type Answers = ConstructorParameters<typeof FakeOpen>[0];

/** The ssh driver and its spec, without an engine: opens connections and runs commands on them. */
export class SshHarness implements AsyncDisposable {
  readonly driver = load();
  readonly #spec: ReturnType<typeof makeSshSpec>;
  readonly #open: SshConnection[] = [];
  /** Context of the last `open`, for one that has not resolved. */
  lastOpen: FakeOpen | undefined = undefined;

  constructor(options: SshOptions = {}) {
    this.#spec = makeSshSpec(options);
  }

  /** Opens a connection for a request; `context` tells what was asked and lost. */
  async open(request: Omit<SshRequest, 'command'>, answers: Answers = {}, timeoutMs?: number): Promise<Opened> {
    const context = new FakeOpen(answers, timeoutMs);
    this.lastOpen = context;
    const { target } = this.#spec.parse({ ...request, command: 'true' });
    const driver = await this.driver;
    const connection = await driver.open(target as never, context);
    this.#open.push(connection);
    return {
      connection,
      context,
      run: (what, execute = new FakeExecute()) => this.run(connection, what, execute),
      reusable: () => driver.reusable(connection),
      close: async () => driver.close(connection),
    };
  }

  async run(
    connection: SshConnection,
    what: string | Partial<SshRequest>,
    context = new FakeExecute(),
  ): Promise<SshResponse> {
    const request = { host: 'any', ...(typeof what === 'string' ? { command: what } : what) } as SshRequest;
    const driver = await this.driver;
    return (await driver.execute(connection, this.#spec.parse(request).request, context)) as SshResponse;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const driver = await this.driver;
    await Promise.all(this.#open.map((connection) => driver.close(connection)));
  }
}

export interface Opened {
  connection: SshConnection;
  context: FakeOpen;
  run(what: string | Partial<SshRequest>, context?: FakeExecute): Promise<SshResponse>;
  reusable(): boolean;
  close(): Promise<void>;
}

export type { Questions };

/** What a promise rejects with; fails where it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const settled = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in settled) return settled.error as Error & Record<string, unknown>;
  throw new Error(`expected a rejection, got ${JSON.stringify(settled.value)?.slice(0, 200)}`);
}
