import { KeylaneError } from '../../../../src/errors.js';
import { Deadlines, type Due } from '../../../../src/util/deadlines.js';
import type { SshConnection } from '../connection.js';
import type { Subsystem, SubsystemUser } from '../subsystem.js';
import { Frames } from './frames.js';
import {
  ATTRS,
  type Attributes,
  CLOSE,
  DATA,
  EOF,
  EXTENDED,
  EXTENDED_REPLY,
  FSETSTAT,
  FSTAT,
  HANDLE,
  INIT,
  MKDIR,
  NAME,
  NO_SUCH_FILE,
  OK,
  OPEN,
  READ,
  REALPATH,
  REMOVE,
  RENAME,
  Reader,
  STAT,
  STATUS,
  VERSION,
  WRITE,
  Writer,
} from './packets.js';

/** The server answered no: to one request, in its own words. */
export class SftpRefusal extends Error {
  readonly missing: boolean;
  constructor(code: number, message: string) {
    super(message || `status ${code}`);
    this.name = 'SftpRefusal';
    this.missing = code === NO_SUCH_FILE;
  }
}

interface Pending extends Due {
  /** Throws RangeError where the answer is not as it must be; then it is not settled. */
  resolve(answer: Reader): void;
  reject(error: Error): void;
  /** Type of the reply that is no STATUS. */
  expects: number;
}

/** What one READ or WRITE carries where the server does not say that it takes more. */
const PIECE = 32 << 10;
const MOST_PIECE = 128 << 10;
/** A disk may take its time to write all down. */
const SYNC_MS = 120_000;
/** Less than the shard gives a driver to end a request. */
const CLEAN_UP_MS = 1_500;

/** One SFTP session on a connection. */
export class SftpClient implements SubsystemUser {
  /** Bytes of one READ and of one WRITE. */
  readPiece = PIECE;
  writePiece = PIECE;
  readonly #connection: SshConnection;
  readonly #subsystem: Subsystem;
  readonly #frames = new Frames((message) => this.#message(message));
  readonly #pending = new Map<number, Pending>();
  readonly #deadlines: Deadlines<Pending>;
  #extensions = new Set<string>();
  #lastId = 0;
  #failure: KeylaneError | undefined = undefined;
  #over = false;

  private constructor(connection: SshConnection) {
    this.#connection = connection;
    this.#deadlines = new Deadlines(
      connection.clock,
      () => this.#pending.values(),
      () => this.#broken('did not answer a request for a file in time'),
    );
    this.#subsystem = connection.subsystem('sftp', this);
  }

  /** Of the host, for names that must differ from host to host. */
  get key(): string {
    return this.#connection.key;
  }

  /** Rejects with `StreamsExceeded`, or with a KeylaneError whose outcome is `not_started`. */
  static async start(connection: SshConnection): Promise<SftpClient> {
    const client = new SftpClient(connection);
    try {
      await client.#subsystem.ready;
      await client.#greet();
      return client;
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  /** Gives the session back; what was not answered rejects. */
  async end(): Promise<void> {
    this.#fail(new KeylaneError('ERR_CANCELED', 'the SFTP session was closed'));
    await this.#subsystem.end();
  }

  /** The request is called off: whatever is asked, now or later, rejects with the reason; all but `cleanUp`. */
  abandon(reason: KeylaneError): void {
    this.#failure ??= reason;
    for (const pending of [...this.#pending.values()]) pending.reject(reason);
  }

  /** Removes what is of no use any more, if that is possible. Resolves when it is done or has had its time. */
  async cleanUp(path: string): Promise<void> {
    if (this.#over) return;
    const failure = this.#failure;
    this.#failure = undefined;
    const removing = this.#ask(REMOVE, new Writer().text(path).done, STATUS, nothing, CLEAN_UP_MS);
    this.#failure = failure;
    await removing.catch(() => undefined);
  }

  received(data: Buffer): void {
    if (!this.#frames.add(data)) this.#broken('sent what is no message of SFTP (does its shell print at log-in?)');
  }

  failed(error: KeylaneError): void {
    this.#fail(error);
  }

  async open(path: string, flags: number, attributes: Attributes = {}): Promise<Buffer> {
    const body = new Writer().text(path).uint32(flags).attributes(attributes);
    // A copy: it came as a view of a message.
    return this.#ask(OPEN, body.done, HANDLE, (answer) => Buffer.from(answer.bytes()));
  }

  async close(handle: Buffer): Promise<void> {
    await this.#ask(CLOSE, new Writer().bytes(handle).done, STATUS, nothing);
  }

  /** Undefined at the end of the file; else at least one byte. */
  async read(handle: Buffer, offset: number, length: number): Promise<Buffer | undefined> {
    try {
      const body = new Writer().bytes(handle).uint64(offset).uint32(length);
      return await this.#ask(READ, body.done, DATA, (answer) => {
        const data = answer.bytes();
        if (data.length > 0 && data.length <= length) return data;
        throw new RangeError(`${data.length} bytes for a read of ${length}`);
      });
    } catch (error) {
      if (error instanceof EndOfFile) return undefined;
      throw error;
    }
  }

  /**
   * A WRITE in the making: the first `room` bytes are ours, the data comes after them, so that it is copied by nobody.
   * `send` takes what was made of it.
   */
  writeRoom(handle: Buffer): number {
    return 4 + 1 + 4 + 4 + handle.length + 8 + 4;
  }

  async write(handle: Buffer, offset: number, message: Buffer): Promise<void> {
    const room = this.writeRoom(handle);
    const length = message.length - room;
    let at = 9;
    at = message.writeUInt32BE(handle.length, at);
    at += handle.copy(message, at);
    at = message.writeBigUInt64BE(BigInt(offset), at);
    message.writeUInt32BE(length, at);
    await this.#send(WRITE, message, STATUS, nothing);
  }

  async stat(path: string): Promise<Attributes> {
    return this.#ask(STAT, new Writer().text(path).done, ATTRS, (answer) => answer.attributes());
  }

  async fstat(handle: Buffer): Promise<Attributes> {
    return this.#ask(FSTAT, new Writer().bytes(handle).done, ATTRS, (answer) => answer.attributes());
  }

  async setAttributes(handle: Buffer, attributes: Attributes): Promise<void> {
    await this.#ask(FSETSTAT, new Writer().bytes(handle).attributes(attributes).done, STATUS, nothing);
  }

  async realPath(path: string): Promise<string> {
    return this.#ask(REALPATH, new Writer().text(path).done, NAME, (answer) => {
      if (answer.uint32() !== 1) throw new RangeError('not one name for a path');
      return answer.text();
    });
  }

  async remove(path: string): Promise<void> {
    await this.#ask(REMOVE, new Writer().text(path).done, STATUS, nothing);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#ask(MKDIR, new Writer().text(path).attributes({}).done, STATUS, nothing);
  }

  /** Writes down for good, where the server can (fsync@openssh.com). */
  async sync(handle: Buffer): Promise<void> {
    if (!this.#extensions.has('fsync@openssh.com')) return;
    await this.#ask(EXTENDED, new Writer().text('fsync@openssh.com').bytes(handle).done, STATUS, nothing, SYNC_MS);
  }

  /** Puts it in the place of what is there: at once where the server can (posix-rename@openssh.com), else after removal. */
  async rename(from: string, to: string): Promise<void> {
    if (this.#extensions.has('posix-rename@openssh.com')) {
      await this.#ask(
        EXTENDED,
        new Writer().text('posix-rename@openssh.com').text(from).text(to).done,
        STATUS,
        nothing,
      );
      return;
    }
    await this.remove(to).catch((error: unknown) => {
      if (!(error instanceof SftpRefusal)) throw error;
    });
    await this.#ask(RENAME, new Writer().text(from).text(to).done, STATUS, nothing);
  }

  async #greet(): Promise<void> {
    const hello = Buffer.from([0, 0, 0, 5, INIT, 0, 0, 0, 3]);
    await new Promise<void>((resolve, reject) => {
      const greeted = (answer: Reader): void => {
        answer.uint32();
        while (answer.left > 0) {
          this.#extensions.add(answer.text());
          answer.bytes();
        }
        resolve();
      };
      this.#pending.set(-1, this.#wait(greeted, reject, VERSION, this.#connection.answerMs));
      this.#subsystem.write(hello);
    });
    if (!this.#extensions.has('limits@openssh.com')) return;
    const body = new Writer().text('limits@openssh.com');
    await this.#ask(EXTENDED, body.done, EXTENDED_REPLY, (limits) => {
      limits.uint64();
      this.readPiece = pieceOf(limits.uint64());
      this.writePiece = pieceOf(limits.uint64());
    });
  }

  #ask<T>(type: number, body: Buffer, expects: number, take: (answer: Reader) => T, ms?: number): Promise<T> {
    const message = Buffer.allocUnsafe(9 + body.length);
    body.copy(message, 9);
    return this.#send(type, message, expects, take, ms);
  }

  /** Of a message whose first 9 bytes are left free: length, type, id. */
  #send<T>(
    type: number,
    message: Buffer,
    expects: number,
    take: (answer: Reader) => T,
    ms = this.#connection.answerMs,
  ): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    message.writeUInt32BE(message.length - 4, 0);
    message[4] = type;
    message.writeUInt32BE(id, 5);
    return new Promise((resolve, reject) => {
      this.#pending.set(
        id,
        this.#wait((answer) => resolve(take(answer)), reject, expects, ms),
      );
      this.#subsystem.write(message);
    });
  }

  #wait(resolve: Pending['resolve'], reject: Pending['reject'], expects: number, ms: number): Pending {
    const dueAt = this.#connection.clock.now() + ms;
    this.#deadlines.watch(dueAt);
    return { resolve, reject, expects, dueAt };
  }

  #message(message: Buffer): void {
    try {
      const type = message[0] as number;
      const reader = new Reader(message.subarray(1));
      const id = type === VERSION ? -1 : reader.uint32();
      const pending = this.#pending.get(id);
      // While others are answered, one that waits behind them is not forgotten.
      if (!pending || (type !== STATUS && type !== pending.expects)) throw new RangeError('an answer to nothing');
      // It leaves only when its answer was good: whatever is pending when the protocol breaks is rejected.
      this.#settle(pending, type, reader);
      this.#pending.delete(id);
    } catch (error) {
      this.#broken(`broke the SFTP protocol: ${(error as Error).message}`);
    }
  }

  #settle(pending: Pending, type: number, answer: Reader): void {
    if (type !== STATUS) {
      pending.resolve(answer);
      return;
    }
    const code = answer.uint32();
    if (code === OK && pending.expects === STATUS) pending.resolve(answer);
    else if (code === EOF) pending.reject(new EndOfFile());
    else pending.reject(new SftpRefusal(code, answer.left > 0 ? answer.text() : ''));
  }

  #broken(what: string): KeylaneError {
    const { key } = this.#connection;
    const error = new KeylaneError('ERR_PROTOCOL', `${key} ${what}`, { key, outcome: 'not_started' });
    this.#subsystem.close();
    this.#fail(error);
    return error;
  }

  #fail(error: KeylaneError): void {
    this.#failure ??= error;
    this.#over = true;
    this.#deadlines.stop();
    for (const pending of [...this.#pending.values()]) pending.reject(this.#failure);
    this.#pending.clear();
  }
}

class EndOfFile extends Error {}

/** Of a STATUS, whose code says it all. */
function nothing(): void {}

function pieceOf(limit: number): number {
  return limit === 0 ? MOST_PIECE : Math.max(PIECE, Math.min(limit, MOST_PIECE));
}
