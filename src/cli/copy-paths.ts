import { readdir, stat } from 'node:fs/promises';
import { basename, join, posix, relative, resolve } from 'node:path';
import { expandHosts, parseHost, type SshRequest } from '../index.js';
import type { CopyFlags } from './copy-flags.js';
import type { Hosts } from './fleet.js';
import { UsageError } from './io.js';
import type { Item } from './item.js';

/** One file to or from one host. */
export interface Copy {
  item: Item;
  request: SshRequest;
  labels: readonly string[];
  /** Where the bytes come from, if that is a host too. */
  from: SshRequest | undefined;
}

interface Remote {
  hosts: string[];
  path: string;
}

const MOST_COPIES = 1_000_000;

/** What the paths of a command line ask for. Throws a UsageError where they ask for nothing that can be done. */
export async function copiesOf(paths: readonly string[], flags: CopyFlags, known: Hosts): Promise<Copy[]> {
  const destination = paths.at(-1) as string;
  const sources = paths.slice(0, -1);
  if (sources.length === 0) throw new UsageError('no destination: name what to copy, then where to');
  const to = remoteOf(destination, known);
  const from = sources.map((source) => remoteOf(source, known));
  const numbered = (copies: Asked[]) => numberedCopies(copies, known);
  const { resume, preserve, parents } = flags;
  const common = { ...(resume && { resume: true }), preserve, ...(parents && { parents: true as const }) };
  if (from.every((remote) => remote === undefined)) {
    if (!to) throw new UsageError(`no host: ${destination} and all sources are on this machine; write HOST:PATH`);
    const files = await filesOf(sources, to, flags.recursive ?? false);
    const into = files.length > 1 && !to.path.endsWith('/') && !flags.recursive ? `${to.path}/` : to.path;
    return numbered(
      to.hosts.flatMap((host) =>
        files.map(({ local, below }) => {
          const remote = below === undefined ? into : posix.join(to.path, below);
          const nested = below === undefined ? {} : { parents: true as const };
          return {
            host,
            name: files.length > 1 ? `${host}:${remote}` : host,
            op: 'put',
            local,
            remote,
            ...common,
            ...nested,
          };
        }),
      ),
    );
  }
  if (flags.recursive) throw new UsageError('-r copies folders to hosts only; from a host copy an archive');
  if (from.some((remote) => remote === undefined))
    throw new UsageError('some sources are on hosts and some on this machine: copy them one after the other');
  const remotes = from as Remote[];
  if (to) {
    const [only] = remotes;
    if (remotes.length > 1 || !only || only.hosts.length > 1)
      throw new UsageError('from host to host one file goes at a time: name one source on one host');
    const { path } = only;
    const copies = numbered(
      to.hosts.map((host) => ({
        host,
        name: host,
        op: 'put',
        remote: to.path.endsWith('/') || to.path === '.' ? posix.join(to.path, posix.basename(path)) : to.path,
        preserve,
        ...(parents && { parents: true as const }),
      })),
    );
    const source = {
      ...known.of(only.hosts[0] as string).request,
      op: 'get' as const,
      remote: path,
      maxOutputBytes: 0,
    };
    return copies.map((copy) => ({ ...copy, from: source }));
  }
  const many = remotes.length > 1 || (remotes[0]?.hosts.length ?? 0) > 1;
  return numbered(
    remotes.flatMap(({ hosts, path }) =>
      hosts.map((host) => {
        const local = many ? join(destination, fileName(host), posix.basename(path)) : destination;
        const name = remotes.length > 1 ? `${host}:${path}` : host;
        return { host, name, op: 'get', local, remote: path, ...common, ...(many && { parents: true as const }) };
      }),
    ),
  );
}

type Asked = { name: string; host: string } & Omit<SshRequest, 'op'> & { op: string };

function numberedCopies(copies: Asked[], known: Hosts): Copy[] {
  if (copies.length > MOST_COPIES) throw new UsageError('more than 1,000,000 copies: split them');
  return copies.map(({ name, host, ...request }, index) => {
    const { request: access, labels } = known.of(host);
    return {
      item: { index, id: name, address: parseHost(host), error: undefined },
      request: { ...(request as SshRequest), ...access },
      labels,
      from: undefined,
    };
  });
}

/** `HOSTS:PATH`; undefined for a path of this machine. */
function remoteOf(text: string, known: Hosts): Remote | undefined {
  const [, hosts, path] = /^((?:[^:/[\]]|\[[^\]]*\])+):(.*)$/s.exec(text) ?? [];
  if (hosts === undefined) return undefined;
  try {
    return { hosts: expandHosts(hosts, known.groups), path: path === '' || path === undefined ? '.' : path };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The files to send; `below` is where one of a folder goes below the destination. */
async function filesOf(
  sources: readonly string[],
  to: Remote,
  recursive: boolean,
): Promise<{ local: string; below: string | undefined }[]> {
  const files: { local: string; below: string | undefined }[] = [];
  for (const source of sources) {
    const about = await stat(source).catch((error: Error) => {
      throw new UsageError(`${source}: ${error.message}`);
    });
    if (!about.isDirectory()) {
      files.push({ local: resolve(source), below: undefined });
      continue;
    }
    if (!recursive) throw new UsageError(`${source} is a folder: copy it with -r`);
    const top = basename(resolve(source));
    for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const local = join(entry.parentPath, entry.name);
      files.push({ local: resolve(local), below: posix.join(top, relative(source, local)) });
    }
  }
  if (files.length === 0) throw new UsageError(`nothing to copy to ${to.hosts.length} hosts: the folders are empty`);
  return files;
}

/** A host as the name of a folder. */
function fileName(host: string): string {
  return host.replaceAll('/', '_');
}
