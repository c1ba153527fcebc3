import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** Who holds something that all processes of this machine may want. Told apart from every other, also after a reboot. */
export interface Owner {
  /** Of one holding, never used again. */
  readonly id: string;
  readonly pid: number;
  /** When the process started, in ticks since the boot: a pid is used again, both together are not. '' where unknown. */
  readonly start: string;
  /** The machine's boot and the process namespace: elsewhere a pid means nothing. */
  readonly where: string;
}

export function newOwner(): Owner {
  return { id: randomUUID(), pid: process.pid, start: startOf(process.pid) ?? '', where: here() };
}

/** Undefined where it cannot be told: of a process of another container or machine. */
export function isAlive(owner: Owner): boolean | undefined {
  if (owner.where !== here()) return undefined;
  if (owner.start !== '') return startOf(owner.pid) === owner.start;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Undefined if it is no owner. The id becomes part of a file's name, so it must be one of ours. */
export function readOwner(text: string): Owner | undefined {
  try {
    const { id, pid, start, where } = JSON.parse(text) as Partial<Owner>;
    if (typeof id !== 'string' || !/^[0-9a-f-]{36}$/.test(id)) return undefined;
    if (!Number.isInteger(pid) || typeof start !== 'string' || typeof where !== 'string') return undefined;
    return { id, pid: pid as number, start, where };
  } catch {
    return undefined;
  }
}

/** The 22nd field of proc(5)'s `stat`; the second, the name in parentheses, may hold anything. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie holds nothing any more.
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

let boot: string | undefined;
let place: string | undefined;

/** Another one after each start of the machine; '' where unknown. */
export function bootId(): string {
  boot ??= textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return boot;
}

function here(): string {
  place ??= `${bootId()} ${textOf(() => readlinkSync('/proc/self/ns/pid'))}`;
  return place;
}

function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
