import { KeylaneError } from '../../../src/errors.js';
import type { StdioOrder, StdioTarget } from '../../../src/specs/stdio.js';
import type { StdioResponse } from '../../../src/stdio-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import type { Clock, Timer } from '../../../src/util/clock.js';
import type { Child } from './child.js';
import { Conversation } from './conversation.js';
import { heardFrom, told } from './failures.js';
import { framerOf } from './framing.js';
import { farewell, shakeHands } from './handshake.js';
import { Outbox } from './outbox.js';
import { Tail } from './tail.js';

/** What is kept of what was no message on stdout. */
const NOISE_BYTES = 2 * 1024;
/** Between the end of one of its pipes and its own. */
const DYING_MS = 1_000;

/** Who wants to know what became of a process. */
export interface Witness {
  /** It has ended unasked, or has not come to serve; or it was ended for what it did. `said` tells all that is known of it. */
  ended(said: () => string): void;
  /** It has answered a request. */
  served(): void;
}

/**
 * A process that serves requests.
 *
 *     starting ── handshake ──▶ open ── close() ──▶ closing
 *         │                      │                     │
 *         │                its end is near             │
 *         │                      ▼                     │
 *         │                    ending                  │
 *         └─── ended, faulty ────▶┴──▶ lost ◀──────────┘
 *
 * ending   takes nothing more; what it has said is still being read, and may answer what is in flight
 */
export class StdioConnection {
  state: 'starting' | 'open' | 'ending' | 'closing' | 'lost' = 'starting';
  readonly #target: StdioTarget;
  readonly #child: Child;
  readonly #clock: Clock;
  readonly #witness: Witness;
  readonly #lost: (error: Error) => void;
  readonly #outbox: Outbox;
  readonly #conversation: Conversation;
  /** What the server said of itself. */
  #about: unknown = undefined;
  /** Since its last message. */
  readonly #noise = new Tail(NOISE_BYTES);
  #noiseBytes = 0;
  #heardAt: number;
  /** Readers of streams that are behind: until they are not, what the server says waits in its pipe. */
  #behind = 0;
  #dying: Timer | undefined = undefined;
  /** How it has ended. */
  #said = '';

  /** `lost` is called when it ends unasked. */
  constructor(target: StdioTarget, child: Child, clock: Clock, witness: Witness, lost: (error: Error) => void) {
    this.#target = target;
    this.#child = child;
    this.#clock = clock;
    this.#witness = witness;
    this.#lost = lost;
    this.#heardAt = clock.now();
    const { framing, handshake, stateless, maxMessageBytes: most } = target;
    this.#outbox = new Outbox(child.stdin, framing, () =>
      this.#fail('it does not read what it is sent', 'ERR_PROTOCOL'),
    );
    this.#conversation = new Conversation({
      outbox: this.#outbox,
      dialect: framing === 'content-length' || handshake.kind === 'initialize' ? 'lsp' : 'mcp',
      host: {
        most,
        isShared: stateless,
        say: (text) => this.#outbox.push({ text }),
        room: () => this.#outbox.room(),
        behind: (until) => this.#hold(until),
      },
      noise: (text) => this.#heardNoise(text),
      served: () => witness.served(),
    });
    this.#listen();
  }

  /** Resolves when it serves. Rejects with ERR_SPAWN where it ends first, says no, or takes too long. */
  async begin(withinMs: number): Promise<void> {
    const late = this.#clock.timer(withinMs, () =>
      this.#fail(
        `it has not answered \`initialize\` within ${Math.round(withinMs)} ms (\`startTimeoutMs\` of the server, else \`limits.connectTimeoutMs\`)`,
        'ERR_PROTOCOL',
      ),
    );
    try {
      this.#about = await shakeHands(this.#target, this.#conversation, this.#outbox);
      if (this.state !== 'starting') throw this.#error('ERR_SPAWN', 'the process has ended', 'not_started');
      this.state = 'open';
    } catch (error) {
      if (this.state !== 'starting') throw error;
      const said = (error as Error).message + heardFrom(this.#child, this.#noise);
      this.#fail((error as Error).message, 'ERR_PROTOCOL');
      throw this.#error('ERR_SPAWN', said, 'not_started');
    } finally {
      late.cancel();
    }
  }

  /** What is called off before it serves has done nothing wrong. */
  abandon(): void {
    if (this.state === 'starting') this.state = 'closing';
    this.#child.kill();
  }

  execute(order: StdioOrder, context: ExecuteContext): Promise<StdioResponse> {
    if (this.state !== 'open')
      return Promise.reject(this.#error('ERR_CONNECTION_LOST', 'the process has ended', 'not_started'));
    if (this.#target.handshake.kind === 'mcp') {
      // Done already, and once for all: who asks is told what was answered then.
      if (order.method === 'initialize') return Promise.resolve({ result: this.#about });
      if (order.method === 'notifications/initialized') return Promise.resolve({});
    }
    return this.#conversation.ask(order, context);
  }

  /** An MCP server is asked. Of another it is known that its process is there: where it ends, it is lost. */
  async check(withinMs: number): Promise<boolean> {
    if (this.state !== 'open') return false;
    if (this.#target.handshake.kind !== 'mcp' || this.#clock.now() - this.#heardAt <= withinMs) return true;
    await this.#conversation.own('ping');
    return true;
  }

  /** Resolves when nothing is left of it. */
  close(): Promise<void> {
    if (this.state === 'ending') return this.#child.gone();
    if (this.state !== 'lost') this.state = 'closing';
    this.#dying?.cancel();
    this.#outbox.end(this.#conversation.size === 0 ? farewell(this.#target) : []);
    this.#settle('ERR_CONNECTION_LOST', 'the process was ended');
    return this.#child.gone();
  }

  #listen(): void {
    const { stdin, stdout, exited, ended } = this.#child;
    const framer = framerOf(this.#target.framing, this.#target.maxMessageBytes, {
      message: (text) => {
        if (this.#conversation.heard(text)) this.#noiseBytes = 0;
      },
      noise: (text) => this.#heardNoise(text),
      fault: (why) => this.#fail(`it wrote ${why}`, 'ERR_PROTOCOL'),
    });
    stdout.on('data', (bytes: Buffer) => {
      this.#heardAt = this.#clock.now();
      framer.push(bytes);
    });
    stdout.once('end', () => {
      framer.end();
      this.#endsSoon('it has closed its standard output');
    });
    stdin.once('error', () => this.#endsSoon('it has closed its standard input'));
    void exited.then(() => this.#endsSoon('the process has ended'));
    void ended.then((ending) => this.#fail(`the process ended with ${told(ending)}`, 'ERR_CONNECTION_LOST'));
  }

  /** Lines of a log among the messages are nobody's; a process that says nothing else for long is of no use. */
  #heardNoise(text: string): void {
    const bytes = Buffer.from(`${text}\n`);
    this.#noise.push(bytes);
    this.#noiseBytes += bytes.length;
    const most = this.#target.maxMessageBytes;
    if (this.#noiseBytes > most) this.#fail(`it wrote ${most} bytes that are no message`, 'ERR_PROTOCOL');
  }

  /** Its end is told with its exit code, which comes a moment later; unless it does not end. */
  #endsSoon(why: string): void {
    if (this.state !== 'starting' && this.state !== 'open') return;
    this.#dying ??= this.#clock.timer(DYING_MS, () => this.#fail(why, 'ERR_CONNECTION_LOST'));
    if (this.state === 'starting') return;
    this.state = 'ending';
    // What has not left has not started.
    this.#outbox.stop();
    this.#endedUnasked(why);
  }

  #fail(why: string, code: 'ERR_CONNECTION_LOST' | 'ERR_PROTOCOL'): void {
    const { state } = this;
    if (state === 'lost') return;
    this.state = 'lost';
    this.#dying?.cancel();
    this.#child.kill();
    this.#outbox.end();
    this.#said = `${why}${heardFrom(this.#child, this.#noise)}`;
    if (state === 'starting') this.#witness.ended(() => this.#said);
    else if (state === 'open') this.#endedUnasked(this.#said);
    this.#settle(state === 'starting' ? 'ERR_SPAWN' : code, this.#said);
  }

  /** Counted at once: its place may be taken by another before all is known of its end. */
  #endedUnasked(why: string): void {
    this.#said = why;
    this.#witness.ended(() => this.#said);
    this.#lost(this.#error('ERR_CONNECTION_LOST', why, 'not_started'));
  }

  #settle(code: 'ERR_SPAWN' | 'ERR_CONNECTION_LOST' | 'ERR_PROTOCOL', said: string): void {
    this.#conversation.lost((hasLeft) =>
      this.#error(code, said, hasLeft && code !== 'ERR_SPAWN' ? 'unknown' : 'not_started'),
    );
  }

  #error(code: 'ERR_SPAWN' | 'ERR_CONNECTION_LOST' | 'ERR_PROTOCOL', said: string, outcome: 'unknown' | 'not_started') {
    const { name } = this.#target;
    return new KeylaneError(code, `${name}: ${said}`, { key: name, outcome });
  }

  #hold(until: Promise<void>): void {
    const { stdout } = this.#child;
    this.#behind++;
    stdout.pause();
    void until.then(() => {
      this.#behind--;
      if (this.#behind === 0) stdout.resume();
    });
  }
}
