import { chmodSync, closeSync, constants, linkSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { KeylaneError } from '../../errors.js';
import { type Clock, systemClock } from '../../util/clock.js';
import { deferred } from '../../util/deferred.js';
import { isAlive, newOwner, type Owner } from '../../util/owner.js';

/** An answer is not needed, only that somebody listens: a busy owner may take long. */
const CONNECT_MS = 800;
const CANCEL = 'cancel\n';
const WHO = 'who\n';
/** Whoever is busy is found in the store. */
const ANSWER_MS = 250;

/** Owners of this process, by id: of these it is known when they have let go. */
const OURS = new Set<string>();

/**
 * The socket by which the owner of a batch is known to live. It listens before the owner is written down, so whoever finds
 * an owner in the store and nobody who listens knows that it is dead; there is nothing to renew, and an owner that is
 * stopped or busy for an hour stays the owner.
 */
export class OwnerSocket {
  readonly me: Owner = newOwner();
  onCancel: (() => void) | undefined;
  /** The store names us. */
  owns = false;
  readonly #folder: Folder;
  readonly #server: Server;
  readonly #peers = new Set<Socket>();
  #wasAsked = false;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.#server = createServer((socket) => this.#serve(socket));
    // What a late error of the listener could tell, the next who connects will find out.
    this.#server.on('error', () => {});
  }

  static async listen(dir: string): Promise<OwnerSocket> {
    const folder = new Folder(dir);
    const socket = new OwnerSocket(folder);
    const listening = deferred<void>();
    socket.#server.once('error', listening.reject);
    socket.#server.listen(folder.path(socket.me.id), () => listening.resolve());
    try {
      await listening.promise;
      chmodSync(folder.path(socket.me.id), 0o600);
    } catch (error) {
      await socket.close();
      throw new KeylaneError('ERR_STORE_BUSY', `no socket can be made in ${dir}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    // What else runs decides how long the process lives.
    socket.#server.unref();
    OURS.add(socket.me.id);
    return socket;
  }

  /** Another process has asked for the end of the batch. */
  get wasAskedToCancel(): boolean {
    return this.#wasAsked;
  }

  /**
   * `isWritten`: the store knows that we let go. Else the socket stays behind as one that nobody listens on: without it
   * others would take us for alive as long as this process is.
   */
  async close(isWritten = true): Promise<void> {
    OURS.delete(this.me.id);
    const path = this.#folder.path(this.me.id);
    const left = `${path}.left`;
    if (!isWritten) quietly(() => linkSync(path, left));
    const closed = deferred<void>();
    this.#server.close(() => closed.resolve());
    for (const peer of this.#peers) peer.destroy();
    await closed.promise;
    if (!isWritten) quietly(() => renameSync(left, path));
    this.#folder.close();
  }

  #serve(socket: Socket): void {
    this.#peers.add(socket);
    socket.unref();
    let said = '';
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('close', () => this.#peers.delete(socket));
    socket.on('data', (text: string) => {
      said += text;
      if (said.length > 100) socket.destroy();
      if (said === WHO) socket.end(this.owns ? `${process.pid}\n` : '\n');
      if (said !== CANCEL || this.#wasAsked) return;
      this.#wasAsked = true;
      this.onCancel?.();
    });
  }
}

/** Whether the owner lives. It does, whatever it is busy with, if its socket can be connected to. */
export async function ownerLives(dir: string, owner: Owner, clock: Clock = systemClock): Promise<boolean> {
  if (owner.pid === process.pid && isAlive(owner)) return OURS.has(owner.id);
  const socket = await connected(dir, owner, clock);
  if (typeof socket === 'object') socket.destroy();
  return socket !== 'dead';
}

/**
 * The process that runs the batch, if one answers at once: whoever comes second need not open the store then, which may
 * have to be walked first.
 */
export async function ownerWhoAnswers(dir: string, clock: Clock = systemClock): Promise<number | undefined> {
  for (const id of socketsIn(dir)) {
    const socket = await connected(dir, nobody(id), clock);
    if (typeof socket !== 'object') continue;
    const answer = deferred<string>();
    const timer = clock.timer(ANSWER_MS, () => answer.resolve(''));
    socket.on('error', () => answer.resolve(''));
    socket.once('close', () => answer.resolve(''));
    socket.once('data', (said) => answer.resolve(said.toString('latin1')));
    socket.write(WHO);
    const pid = Number(await answer.promise);
    timer.cancel();
    socket.destroy();
    if (pid > 0) return pid;
  }
  return undefined;
}

/** Asks the owner to end the batch, and resolves when it has let go of it; false if it is dead already. */
export async function askToCancel(dir: string, owner: Owner, clock: Clock = systemClock): Promise<boolean> {
  const socket = await connected(dir, owner, clock);
  if (socket === 'dead') return false;
  if (socket === 'silent')
    throw new KeylaneError('ERR_STORE_BUSY', `the batch's owner, process ${owner.pid}, does not answer`);
  const gone = deferred<void>();
  socket.on('error', () => {});
  socket.once('close', () => gone.resolve());
  socket.resume();
  socket.write(CANCEL);
  await gone.promise;
  return true;
}

/** Whether somebody but `me` listens in this directory: for when the store cannot tell. */
export async function anyoneListens(dir: string, me: Owner, clock: Clock = systemClock): Promise<boolean> {
  for (const id of socketsIn(dir)) {
    if (id === me.id) continue;
    const socket = await connected(dir, nobody(id), clock);
    if (typeof socket === 'object') socket.destroy();
    if (socket !== 'dead') return true;
  }
  return false;
}

function socketsIn(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => /^owner-(.{36})\.sock$/.exec(name)?.[1] ?? []);
}

/** Who listens there is not known. */
function nobody(id: string): Owner {
  return { id, pid: 0, start: 'unknown', where: '' };
}

/** Removes the socket that a dead owner left. */
export function removeSocket(dir: string, owner: Owner): void {
  rmSync(`${dir}/${nameOf(owner.id)}`, { force: true });
}

/** `silent`: it lives, and cannot be connected to. */
async function connected(dir: string, owner: Owner, clock: Clock): Promise<Socket | 'dead' | 'silent'> {
  const folder = new Folder(dir);
  const answer = deferred<Socket | 'dead' | 'silent'>();
  const socket = connect(folder.path(owner.id));
  const timer = clock.timer(CONNECT_MS, () => answer.resolve('silent'));
  socket.once('connect', () => answer.resolve(socket));
  socket.once('error', (error: NodeJS.ErrnoException) => answer.resolve(meaningOf(error, owner)));
  try {
    const found = await answer.promise;
    if (found !== socket) socket.destroy();
    return found;
  } finally {
    timer.cancel();
    folder.close();
  }
}

function meaningOf({ code }: NodeJS.ErrnoException, owner: Owner): 'dead' | 'silent' {
  if (code === 'ECONNREFUSED') return 'dead';
  // Its socket was removed: by itself, or by whoever tidies up. The second does not make it dead.
  if (code === 'ENOENT') return isAlive(owner) ? 'silent' : 'dead';
  // EAGAIN: more wait to be heard than may. Anything else says nothing of it.
  return 'silent';
}

/**
 * The batch's directory, held open: a socket's path may have 107 bytes (unix(7)), and its own may be longer than that.
 * Where there is no /proc the path is taken as it is.
 */
class Folder {
  readonly #dir: string;
  readonly #fd: number;

  constructor(dir: string) {
    this.#dir = dir;
    this.#fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  path(id: string): string {
    return process.platform === 'linux' ? `/proc/self/fd/${this.#fd}/${nameOf(id)}` : `${this.#dir}/${nameOf(id)}`;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** On a full disk it may not work; then the process has to end first. */
function quietly(step: () => void): void {
  try {
    step();
  } catch {}
}

function nameOf(id: string): string {
  return `owner-${id}.sock`;
}
