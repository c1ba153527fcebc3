import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { excludeHosts, expandHosts, type GroupHosts, KeylaneError, parseHost } from '../index.js';
import type { ExecFlags } from './flags.js';
import type { Hosts } from './fleet.js';
import { UsageError } from './io.js';
import type { Item } from './item.js';

const MIB = 1024 * 1024;
const MOST_LIST_BYTES = 256 * MIB;
const MOST_STDIN_BYTES = 16 * MIB;
const MOST_HOSTS = 1_000_000;

/**
 * The hosts of a run, each once: those of the command line, then those of the files. A bad pattern on the command line is
 * a UsageError; a bad line of a list costs that line only, and comes back as an item with an error.
 */
export async function readItems(
  typed: readonly string[],
  flags: Pick<ExecFlags, 'hosts' | 'exclude' | 'user' | 'port'>,
  stdin: Readable,
  known: Pick<Hosts, 'groups' | 'formsOf'>,
): Promise<Item[]> {
  const { groups } = known;
  if (typed.length === 0 && flags.hosts.length === 0)
    throw new UsageError('no hosts: name some, a group as @all, or a file of them with -H');
  const hosts = new Set<string>();
  const bad = new Map<string, KeylaneError>();
  for (const source of [...typed, ...flags.hosts.map((file) => ({ file }))]) {
    if (typeof source === 'string' && source !== '-') asUsage(() => addAll(hosts, expandHosts(source, groups)));
    else addLines(await readList(typeof source === 'string' ? '-' : source.file, stdin), hosts, bad, groups);
    if (hosts.size > MOST_HOSTS) throw new UsageError('more than 1,000,000 hosts: split the list');
  }
  const kept = asUsage(() => without([...hosts], flags, known));
  const items = [
    ...kept.map((id) => ({ id, address: parseHost(id), error: undefined })),
    ...[...bad].map(([id, error]) => ({ id, address: undefined, error })),
  ];
  if (items.length === 0) throw new UsageError('no hosts are left: the lists are empty, or -x leaves all of them out');
  return items.map((item, index) => ({ index, ...item }));
}

/** The hosts that `-x` leaves: it names neither their name nor their address nor a group that they are in. */
function without(
  hosts: readonly string[],
  { exclude, user, port }: Pick<ExecFlags, 'exclude' | 'user' | 'port'>,
  { groups, formsOf }: Pick<Hosts, 'groups' | 'formsOf'>,
): readonly string[] {
  if (exclude.length === 0) return hosts;
  const forms = hosts.map((host) => formsOf(host));
  const kept = new Set(excludeHosts(forms.flat(), exclude, { user, port }, groups));
  return hosts.filter((_, at) => forms[at]?.every((form) => kept.has(form)));
}

/** What every host gets on its stdin; undefined where nothing is asked for. */
export async function readStdin(
  typed: readonly string[],
  flags: Pick<ExecFlags, 'hosts' | 'stdin'>,
  stdin: Readable,
): Promise<Buffer | undefined> {
  if (flags.stdin === undefined) return undefined;
  if (flags.stdin === '-' && [...typed, ...flags.hosts].includes('-')) {
    throw new UsageError('--stdin -: our stdin has the hosts already');
  }
  return readAll('--stdin', flags.stdin, stdin, MOST_STDIN_BYTES);
}

function addLines(text: string, hosts: Set<string>, bad: Map<string, KeylaneError>, groups?: GroupHosts): void {
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    const pattern = line.replace(/(^|\s)#.*$/, '').trim();
    if (pattern === '') continue;
    try {
      addAll(hosts, expandHosts(pattern, groups));
    } catch (error) {
      if (!(error instanceof KeylaneError)) throw error;
      bad.set(pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern, error);
    }
  }
}

function addAll(into: Set<string>, hosts: readonly string[]): void {
  for (const host of hosts) into.add(host);
}

async function readList(file: string, stdin: Readable): Promise<string> {
  return (await readAll(file === '-' ? 'hosts' : '-H', file, stdin, MOST_LIST_BYTES)).toString();
}

async function readAll(what: string, file: string, stdin: Readable, mostBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of file === '-' ? stdin : createReadStream(file)) {
      pieces.push(piece);
      size += piece.length;
      if (size > mostBytes) throw new Error(`more than ${mostBytes / MIB} MiB`);
    }
  } catch (error) {
    throw new UsageError(`${what} ${file}: ${(error as Error).message}`);
  }
  return Buffer.concat(pieces);
}

function asUsage<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof KeylaneError ? new UsageError(error.message) : error;
  }
}
