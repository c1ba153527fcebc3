import { KeylaneError } from '../errors.js';
import type { DevicePrompt } from '../tokens/device.js';
import type { Clock } from '../util/clock.js';
import { nearest } from '../util/nearest.js';
import type { Account, AccountChange, AccountFilter } from './account.js';
import type { AccountTokens } from './account-tokens.js';
import { changed } from './change.js';
import { type AccountRules, checkAccount, checkFilter } from './schema.js';
import { type AccountVerdict, type Verifiers, type VerifyOptions, verifyAll } from './verify.js';

/** What `accounts` needs of a store. */
export interface AccountStore {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): void;
  remove(key: string): void;
  range(range: { prefix: string; limit?: number }): Iterable<[key: string | Uint8Array, value: Uint8Array]>;
  /** When it resolves, what `work` wrote is on the disk. */
  transaction<T>(work: () => T): Promise<T>;
}

export interface ImportOptions {
  /** Accounts that are there already are written over, instead of refused. @default false */
  replace?: boolean;
  /** What is good is taken and what is bad is told of, instead of nothing being taken. @default false */
  skipBad?: boolean;
  /** How messages call the account at this place of the input. @default `accounts[i]` */
  where?: (index: number) => string;
}

export interface Imported {
  added: number;
  replaced: number;
  /** With `skipBad`: why the others were not taken. */
  skipped: KeylaneError[];
}

/** An account of an import that may be taken, and how messages call it. */
interface Row {
  account: Account;
  where: string;
}

const PREFIX = 'account/';
const MOST_IMPORTED = 1_000_000;
/** Problems that one error tells of. */
const MOST_TOLD = 20;
const MOST_CANDIDATES = 200;

/**
 * The accounts of a data directory. One index, by name: an account is found in one step, and whoever chooses by driver or
 * label looks at all of them. What changes one is a single transaction, so processes that share the directory lose none
 * of each other's changes. What has resolved is on the disk.
 */
export class Accounts {
  readonly #open: () => Promise<AccountStore>;
  readonly #rules: AccountRules;
  readonly #verifiers: Verifiers;
  readonly #tokens: Pick<AccountTokens, 'cache'>;
  readonly #clock: Clock;

  /** `open` is called at first use, and each time: it hands out the one store that it has. */
  constructor(
    open: () => Promise<AccountStore>,
    rules: AccountRules,
    verifiers: Verifiers,
    tokens: Pick<AccountTokens, 'cache'>,
    clock: Clock,
  ) {
    this.#open = open;
    this.#rules = rules;
    this.#verifiers = verifiers;
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /** Rejects with `ERR_EXISTS` if there is one of this name, `ERR_INPUT` if it is not valid or holds a secret. */
  async add(account: Account): Promise<void> {
    const checked = checkAccount(account, this.#rules);
    await this.#write((store) => {
      if (store.get(keyOf(checked.name))) throw exists(checked.name);
      return { result: undefined, puts: [checked] };
    });
  }

  /** Rejects with `ERR_INPUT` that names the nearest one if there is none of this name. */
  async get(name: string): Promise<Account> {
    return read(await this.#open(), name);
  }

  /** In the order of their names. */
  async list(filter: AccountFilter = {}): Promise<Account[]> {
    const { driver, labels = [] } = checkFilter(filter);
    const found: Account[] = [];
    for (const [, value] of (await this.#open()).range({ prefix: PREFIX })) {
      const account = decode(value);
      if (driver !== undefined && account.driver !== driver) continue;
      if (labels.every((label) => account.labels?.includes(label))) found.push(account);
    }
    return found;
  }

  /** Changes what is given and leaves the rest. Resolves with the account as it is now. */
  async set(name: string, change: AccountChange): Promise<Account> {
    return this.#write((store) => {
      const account = checkAccount(changed(read(store, name), change), this.#rules, name);
      return { result: account, puts: [account] };
    });
  }

  /** All of them, or none: rejects with `ERR_INPUT` if one is not there. */
  async remove(names: string | readonly string[]): Promise<void> {
    const all = [names].flat();
    await this.#write((store) => {
      for (const name of all) read(store, name);
      return { result: undefined, removes: all };
    });
  }

  /**
   * Many at once, in one transaction. If any is not valid, there already or there twice, none is taken and the error names
   * each by its place; with `skipBad` the others are taken. An error in place of an account is a bad row.
   */
  async import(accounts: Iterable<unknown> | AsyncIterable<unknown>, options: ImportOptions = {}): Promise<Imported> {
    const { replace = false, skipBad = false, where = (index) => `accounts[${index}]` } = options;
    const { rows, bad } = await this.#rowsOf(accounts, where);
    if (!skipBad) refuse(bad);
    return this.#write((store) => {
      const isThere = ({ account }: Row) => store.get(keyOf(account.name)) !== undefined;
      const there = new Set(rows.filter(isThere));
      const refused = replace ? [] : [...there].map((row) => exists(row.account.name, `${row.where}: `));
      if (!skipBad) refuse(refused);
      const taken = replace ? rows : rows.filter((row) => !there.has(row));
      const replaced = replace ? there.size : 0;
      const result = { added: taken.length - replaced, replaced, skipped: [...bad, ...refused] };
      return { result, puts: taken.map(({ account }) => account) };
    });
  }

  /**
   * Tries each account out: one with `oauth` gets a token, others a connection. Resolves with a verdict each, in the order
   * of their names, or of the names given; an account that does not work is a verdict, not a rejection.
   */
  async verify(which: readonly string[] | AccountFilter = {}, options: VerifyOptions = {}): Promise<AccountVerdict[]> {
    let accounts: Account[];
    if (isNames(which)) {
      const store = await this.#open();
      accounts = [...new Set(which)].map((name) => read(store, name));
    } else {
      accounts = await this.list(which);
    }
    return verifyAll(accounts, this.#verifiers, options, this.#clock);
  }

  /**
   * Logs a person in, for an account of the grant `device`: `onPrompt` shows them a code and the page where it goes.
   * Resolves when they have said yes and the login is stored in the `file:` of the account's refresh token. Rejects with
   * `ERR_AUTH_EXPIRED` if they say no, or nothing in time, and with `ERR_CANCELED` at the signal.
   */
  async login(
    name: string,
    onPrompt: (prompt: DevicePrompt) => unknown,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const account = read(await this.#open(), name);
    await (await this.#tokens.cache()).startDevice(account, onPrompt, signal);
  }

  /** One transaction. Nothing is written before all is known: what throws has changed nothing. */
  async #write<T>(work: (store: AccountStore) => Changes<T>): Promise<T> {
    const store = await this.#open();
    return store.transaction(() => {
      const { result, puts = [], removes = [] } = work(store);
      for (const account of puts) store.put(keyOf(account.name), encode(account));
      for (const name of removes) store.remove(keyOf(name));
      return result;
    });
  }

  async #rowsOf(
    accounts: Iterable<unknown> | AsyncIterable<unknown>,
    where: (index: number) => string,
  ): Promise<{ rows: Row[]; bad: KeylaneError[] }> {
    const rows = new Map<string, Row>();
    const bad: KeylaneError[] = [];
    let index = 0;
    for await (const value of accounts) {
      const at = where(index++);
      if (index > MOST_IMPORTED) throw new KeylaneError('ERR_INPUT', 'more than 1,000,000 accounts: split the input');
      try {
        if (value instanceof KeylaneError) throw value;
        const account = checkAccount(value, this.#rules, at);
        const first = rows.get(account.name);
        if (first) throw new KeylaneError('ERR_EXISTS', `${at}: the account ${account.name} is in ${first.where} too`);
        rows.set(account.name, { account, where: at });
      } catch (error) {
        if (!(error instanceof KeylaneError)) throw error;
        bad.push(error);
      }
    }
    return { rows: [...rows.values()], bad };
  }
}

interface Changes<T> {
  result: T;
  puts?: readonly Account[];
  removes?: readonly string[];
}

function isNames(which: readonly string[] | AccountFilter): which is readonly string[] {
  return Array.isArray(which);
}

function keyOf(name: string): string {
  return `${PREFIX}${name}`;
}

function read(store: AccountStore, name: string): Account {
  const value = isName(name) ? store.get(keyOf(name)) : undefined;
  if (value) return decode(value);
  throw new KeylaneError('ERR_INPUT', unknownName(store, String(name)));
}

/** Longer ones are no key of a store. */
function isName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 255;
}

function unknownName(store: AccountStore, name: string): string {
  const near = nearest(name, candidates(store, name));
  const hint = near === undefined ? '`keylane accounts list` has them' : `did you mean \`${near}\`?`;
  return `there is no account ${JSON.stringify(name.slice(0, 255))}: ${hint}`;
}

/** Some names to choose from: all of a few, of many those that begin alike. A batch may ask for 10,000 that are not there. */
function* candidates(store: AccountStore, name: string): Iterable<string> {
  for (const prefix of [PREFIX, `${PREFIX}${name.slice(0, 3)}`])
    for (const [key] of store.range({ prefix, limit: MOST_CANDIDATES })) yield nameIn(key);
}

function nameIn(key: string | Uint8Array): string {
  return Buffer.from(key).toString().slice(PREFIX.length);
}

function encode(account: Account): Uint8Array {
  return Buffer.from(JSON.stringify(account));
}

/** The store keeps the checksum: what it hands out is what was written. */
function decode(value: Uint8Array): Account {
  return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()) as Account;
}

function exists(name: string, where = ''): KeylaneError {
  return new KeylaneError('ERR_EXISTS', `${where}there is an account ${name} already`);
}

/** Throws what is wrong, all of it that can be read. */
function refuse(bad: readonly KeylaneError[]): void {
  const [first] = bad;
  if (!first) return;
  const lines = bad.slice(0, MOST_TOLD).map(({ message }) => message);
  if (bad.length > MOST_TOLD) lines.push(`and ${bad.length - MOST_TOLD} more`);
  throw new KeylaneError(first.code, lines.join('\n'));
}
