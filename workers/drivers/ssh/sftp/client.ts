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
  resolve(reader: Reader): void;
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
    const removing = this.#ask(REMOVE, new Writer().text(path).done, STATUS, CLEAN_UP_MS);
    this.#failure = failure;
    await removing.catch(() => undefined);
  }

  received(data: Buffer): void {
    if (!this.#frames.add(data)) this.#broken('sent a message for SFTP that is too long');
  }

  failed(error: KeylaneError): void {
    this.#fail(error);
  }

  async open(path: string, flags: number, attributes: Attributes = {}): Promise<Buffer> {
    const body = new Writer().text(path).uint32(flags).attributes(attributes);
    // A copy: it came as a view of a message.
    return Buffer.from((await this.#ask(OPEN, body.done, HANDLE)).bytes());
  }

  async close(handle: Buffer): Promise<void> {
    await this.#ask(CLOSE, new Writer().bytes(handle).done, STATUS);
  }

  /** Undefined at the end of the file; else at least one byte. */
  async read(handle: Buffer, offset: number, length: number): Promise<Buffer | undefined> {
    try {
      const data = (await this.#ask(READ, new Writer().bytes(handle).uint64(offset).uint32(length).done, DATA)).bytes();
      if (data.length > 0 && data.length <= length) return data;
      throw this.#broken('answered a read with another length');
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
    await this.#send(WRITE, message, STATUS);
  }

  async stat(path: string): Promise<Attributes> {
    return (await this.#ask(STAT, new Writer().text(path).done, ATTRS)).attributes();
  }

  async fstat(handle: Buffer): Promise<Attributes> {
    return (await this.#ask(FSTAT, new Writer().bytes(handle).done, ATTRS)).attributes();
  }

  async setAttributes(handle: Buffer, attributes: Attributes): Promise<void> {
    await this.#ask(FSETSTAT, new Writer().bytes(handle).attributes(attributes).done, STATUS);
  }

  async realPath(path: string): Promise<string> {
    const reader = await this.#ask(REALPATH, new Writer().text(path).done, NAME);
    if (reader.uint32() !== 1) throw this.#broken('gave not one name for a path');
    return reader.text();
  }

  async remove(path: string): Promise<void> {
    await this.#ask(REMOVE, new Writer().text(path).done, STATUS);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#ask(MKDIR, new Writer().text(path).attributes({}).done, STATUS);
  }

  /** Writes down for good, where the server can (fsync@openssh.com). */
  async sync(handle: Buffer): Promise<void> {
    if (!this.#extensions.has('fsync@openssh.com')) return;
    await this.#ask(EXTENDED, new Writer().text('fsync@openssh.com').bytes(handle).done, STATUS, SYNC_MS);
  }

  /** Puts it in the place of what is there: at once where the server can (posix-rename@openssh.com), else after removal. */
  async rename(from: string, to: string): Promise<void> {
    if (this.#extensions.has('posix-rename@openssh.com')) {
      await this.#ask(EXTENDED, new Writer().text('posix-rename@openssh.com').text(from).text(to).done, STATUS);
      return;
    }
    await this.remove(to).catch((error: unknown) => {
      if (!(error instanceof SftpRefusal)) throw error;
    });
    await this.#ask(RENAME, new Writer().text(from).text(to).done, STATUS);
  }

  async #greet(): Promise<void> {
    const hello = Buffer.from([0, 0, 0, 5, INIT, 0, 0, 0, 3]);
    const reader = await new Promise<Reader>((resolve, reject) => {
      this.#pending.set(-1, this.#wait(resolve, reject, VERSION, this.#connection.answerMs));
      this.#subsystem.write(hello);
    });
    reader.uint32();
    while (reader.left > 0) {
      this.#extensions.add(reader.text());
      reader.bytes();
    }
    if (!this.#extensions.has('limits@openssh.com')) return;
    const limits = await this.#ask(EXTENDED, new Writer().text('limits@openssh.com').done, EXTENDED_REPLY);
    limits.uint64();
    this.readPiece = pieceOf(limits.uint64());
    this.writePiece = pieceOf(limits.uint64());
  }

  #ask(type: number, body: Buffer, expects: number, ms?: number): Promise<Reader> {
    const message = Buffer.allocUnsafe(9 + body.length);
    body.copy(message, 9);
    return this.#send(type, message, expects, ms);
  }

  /** Of a message whose first 9 bytes are left free: length, type, id. */
  #send(type: number, message: Buffer, expects: number, ms = this.#connection.answerMs): Promise<Reader> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    message.writeUInt32BE(message.length - 4, 0);
    message[4] = type;
    message.writeUInt32BE(id, 5);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, this.#wait(resolve, reject, expects, ms));
      this.#subsystem.write(message);
    });
  }

  #wait(resolve: (reader: Reader) => void, reject: (error: Error) => void, expects: number, ms: number): Pending {
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
      this.#pending.delete(id);
      if (type !== STATUS) {
        pending.resolve(reader);
        return;
      }
      const code = reader.uint32();
      if (code === OK && pending.expects === STATUS) pending.resolve(reader);
      else if (code === EOF) pending.reject(new EndOfFile());
      else pending.reject(new SftpRefusal(code, reader.left > 0 ? reader.text() : ''));
    } catch {
      this.#broken('broke the SFTP protocol');
    }
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

function pieceOf(limit: number): number {
  return limit === 0 ? MOST_PIECE : Math.max(PIECE, Math.min(limit, MOST_PIECE));
}
