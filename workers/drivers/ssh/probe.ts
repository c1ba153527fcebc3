import type { SshResponse } from '../../../src/ssh-types.js';
import type { SshConnection } from './connection.js';
import { OwnContext } from './own-context.js';
import type { ChannelPeer } from './transport.js';

/** One more than sshd's own MaxSessions. */
const SESSIONS = 11;

/** What is known of a connection; and a few tries of what is not. */
export async function probe(connection: SshConnection): Promise<SshResponse> {
  const sessions = await countSessions(connection);
  let execMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const since = connection.clock.now();
    const command = { op: 'exec', command: 'true', maxOutputBytes: 0, encoding: 'utf8' } as const;
    await connection.exec(command, new OwnContext());
    execMs = Math.min(execMs, connection.clock.now() - since);
  }
  const { facts, logIn } = connection;
  return {
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
    truncated: false,
    probe: {
      transport: connection.by,
      software: facts?.software ?? '',
      kex: facts?.kex ?? '',
      cipher: facts?.cipher ?? '',
      mac: facts?.mac ?? '',
      hostKeyAlgorithm: facts?.hostKey ?? '',
      strict: facts?.strict ?? false,
      postQuantum: facts?.postQuantum ?? false,
      hostKey: logIn?.hostKey ?? { type: '', fingerprint: '', decision: 'unchecked' },
      tries: logIn?.tries ?? [],
      sessions,
      execMs,
    },
  };
}

/** Opens sessions until one is refused, then closes them all. */
async function countSessions(connection: SshConnection): Promise<number> {
  const opened: Placeholder[] = [];
  for (let i = 0; i < SESSIONS; i++) {
    const place = new Placeholder(connection);
    if (!(await place.answered)) break;
    opened.push(place);
  }
  await Promise.all(opened.map((place) => place.close()));
  return opened.length;
}

/** A session in which nothing runs. */
class Placeholder implements ChannelPeer {
  /** True if it was opened, false if it was refused or not answered. */
  readonly answered: Promise<boolean>;
  readonly #connection: SshConnection;
  readonly #channel: number;
  readonly #gone: Promise<void>;
  #answer!: (opened: boolean) => void;
  #tellGone!: () => void;
  #peer = -1;

  constructor(connection: SshConnection) {
    this.#connection = connection;
    this.answered = new Promise((resolve) => {
      this.#answer = resolve;
    });
    this.#gone = new Promise((resolve) => {
      this.#tellGone = resolve;
    });
    const timer = connection.clock.timer(connection.answerMs, () => {
      this.#answer(false);
      this.#tellGone();
    });
    void this.#gone.then(() => timer.cancel());
    this.#channel = connection.channels.add(this);
    connection.transport.session(this.#channel, 0, 32_768);
  }

  async close(): Promise<void> {
    this.#connection.transport.channelClose(this.#peer);
    await this.#gone;
  }

  opened(channel: number): void {
    this.#peer = channel;
    this.#answer(true);
  }

  refused(): void {
    this.#connection.channels.remove(this.#channel);
    this.#answer(false);
    this.#tellGone();
  }

  closed(): void {
    this.#connection.channels.remove(this.#channel);
    this.#tellGone();
  }

  replied(): void {}
  received(): void {}
  granted(): void {}
  requested(): void {}
  ended(): void {}
}
