import { connect, type Socket } from 'node:net';
import type { IdentityCallback, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2';
import type { Clock } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';
import { BlobReader, packed, uint32 } from './blob.js';
import { keyOfBlob, whyNotKeyType } from './key-file.js';
import { BaseAgent } from './ssh2.js';

const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
const RSA_SHA2_256 = 2;
const RSA_SHA2_512 = 4;
/** OpenSSH's agent and client take no longer message either. */
const MOST_BYTES = 256 * 1024;
/** OpenSSH's client takes no more. */
const MOST_KEYS = 2_048;
/** A list comes at once; a signature may wait for somebody who is asked to confirm it. */
const LIST_MS = 2_000;

/**
 * The agent behind a socket (draft-ietf-sshm-ssh-agent), for one log-in. Written anew because ssh2's own waits for an
 * answer for ever and keeps the socket meanwhile, believes any signature, and says nothing of the keys it cannot use.
 */
export class Agent {
  /** Why it is asked no more: it did not answer, or not what it was asked. */
  lost: string | undefined = undefined;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #left: () => number;
  readonly #sockets = new Set<Socket>();

  /** `left`: the milliseconds that the log-in still has; an answer may take half of them. */
  constructor(path: string, clock: Clock, left: () => number) {
    this.#path = path;
    this.#clock = clock;
    this.#left = left;
  }

  /** Its keys, in its order, and why those that cannot be used were left out. Never rejects; see `lost`. */
  async keys(): Promise<{ keys: AgentKey[]; skipped: string[] }> {
    const keys: AgentKey[] = [];
    const skipped: string[] = [];
    const answer = await this.#ask(REQUEST_IDENTITIES, [], Math.min(LIST_MS, this.#left() / 2)).catch(() => undefined);
    if (!answer) return { keys, skipped };
    const identities = readIdentities(answer);
    if (!identities) this.lost = 'its list of keys is garbled';
    for (const { blob, comment } of identities ?? []) {
      const type = new BlobReader(blob).string()?.toString('latin1') ?? '';
      const key = keyOfBlob(blob);
      const says = `agent key ${comment || type}`;
      const why = whyNotKeyType(type);
      if (why !== undefined) skipped.push(`${says} (${why})`);
      else if (!key) skipped.push(`${says} (it is of no known type)`);
      else keys.push(new AgentKey(this, key, says));
    }
    return { keys, skipped };
  }

  /** The bare signature of the data. Rejects with an Error that says why there is none. */
  async sign(key: ParsedKey, data: Buffer, hash: string | undefined): Promise<Buffer> {
    const flags = hash === 'sha256' ? RSA_SHA2_256 : hash === 'sha512' ? RSA_SHA2_512 : 0;
    const algorithm = flags === RSA_SHA2_256 ? 'rsa-sha2-256' : flags === RSA_SHA2_512 ? 'rsa-sha2-512' : key.type;
    const request = [packed(key.getPublicSSH()), packed(data), uint32(flags)];
    const answer = await this.#ask(SIGN_REQUEST, request, this.#left() / 2);
    if (answer[0] !== SIGN_RESPONSE) throw new Error('the agent does not sign with it');
    const reader = new BlobReader(new BlobReader(answer, 1).string() ?? Buffer.alloc(0));
    const type = reader.string()?.toString('latin1');
    const signature = reader.string();
    // An old agent signs with SHA-1 whatever it is asked. ssh2 would send anything, and throw at some of it.
    if (!signature || type !== algorithm || !verifies(key, data, signature, hash)) {
      throw new Error(`what the agent gave is no ${algorithm} signature`);
    }
    return signature;
  }

  /** Asks no more and hears no more: nothing is called back. */
  end(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async #ask(type: number, body: Buffer[], ms: number): Promise<Buffer> {
    const { promise, resolve, reject } = deferred<Buffer>();
    const fail = (why: string) => {
      this.lost ??= why;
      reject(new Error(why));
    };
    const timer = this.#clock.timer(ms, () => fail(`no answer from ${this.#path} within ${Math.round(ms)} ms`));
    const socket = connect(this.#path);
    this.#sockets.add(socket);
    let heard = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      const length = new BlobReader(heard).uint32();
      if (length === undefined) return;
      if (length < 1 || length > MOST_BYTES) fail(`${this.#path} does not speak the agent's protocol`);
      else if (heard.length >= 4 + length) resolve(heard.subarray(4, 4 + length));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => fail(`no agent at ${this.#path}: ${error.code ?? 'broken'}`));
    // After `end` nobody waits any more.
    socket.on('close', () => (this.#sockets.has(socket) ? fail(`${this.#path} hung up`) : timer.cancel()));
    socket.write(packed(Buffer.concat([Buffer.from([type]), ...body])));
    try {
      return await promise;
    } finally {
      timer.cancel();
      this.#sockets.delete(socket);
      socket.destroy();
    }
  }
}

/** The keys that an answer lists; undefined where it does not, or they are more than anybody has. */
export function readIdentities(answer: Buffer): { blob: Buffer; comment: string }[] | undefined {
  const reader = new BlobReader(answer, 1);
  const count = reader.uint32();
  if (answer[0] !== IDENTITIES_ANSWER || count === undefined || count > MOST_KEYS) return undefined;
  const identities: { blob: Buffer; comment: string }[] = [];
  while (identities.length < count) {
    const blob = reader.string();
    const comment = reader.string()?.toString();
    if (!blob || comment === undefined) return undefined;
    identities.push({ blob, comment });
  }
  return identities;
}

/**
 * One key of an agent, as an agent of its own for ssh2: that walks through all keys of an agent without a look at what
 * the server says in between, a partial success included.
 */
export class AgentKey extends BaseAgent<ParsedKey> {
  /** Why there was no signature. */
  problem: string | undefined = undefined;
  readonly agent: Agent;
  readonly says: string;
  readonly #key: ParsedKey;
  #call: SignCallback | undefined = undefined;
  #asked = false;

  constructor(agent: Agent, key: ParsedKey, says: string) {
    super();
    this.agent = agent;
    this.says = says;
    this.#key = key;
  }

  get publicKey(): Buffer {
    return this.#key.getPublicSSH();
  }

  get isRsa(): boolean {
    return this.#key.type === 'ssh-rsa';
  }

  /** The log-in has gone on: a signature that comes now is not wanted. */
  drop(): void {
    this.#call = undefined;
  }

  override getIdentities(call: IdentityCallback<ParsedKey>): void {
    call(undefined, [this.#key]);
  }

  override sign(_: ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, call?: SignCallback): void {
    // A server that says twice that it would take the key gets one signature.
    if (this.#asked) return;
    this.#asked = true;
    this.#call = typeof options === 'function' ? options : call;
    const hash = typeof options === 'function' ? undefined : options.hash;
    this.agent.sign(this.#key, data, hash).then(
      (signature) => this.#call?.(undefined, signature),
      (error: Error) => {
        this.problem = error.message;
        this.#call?.(error);
      },
    );
  }
}

function verifies(key: ParsedKey, data: Buffer, signature: Buffer, hash: string | undefined): boolean {
  try {
    return key.verify(data, signature, hash) === true;
  } catch {
    return false;
  }
}
