import { readdirSync, readFileSync } from 'node:fs';

/** The processes below `root`, children before grandchildren; `root` itself is not among them. Linux only, as all of test/. */
export function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of processes()) {
    // The name, field 2, may hold spaces and brackets: count from the last one. Field 3 is the state, 4 the parent.
    const stat = read(`/proc/${pid}/stat`);
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (parent === undefined || state === 'Z') continue;
    const siblings = children.get(Number(parent));
    if (siblings === undefined) children.set(Number(parent), [pid]);
    else siblings.push(pid);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found.slice(1);
}

/** The processes whose environment has the variable `name` with a value that `fits`. */
export function withVariable(name: string, fits: (value: string) => boolean): number[] {
  return processes().filter((pid) =>
    read(`/proc/${pid}/environ`)
      .split('\0')
      .some((entry) => entry.startsWith(`${name}=`) && fits(entry.slice(name.length + 1))),
  );
}

/** Kills `root` and everything below it; returns who was killed. Stops the root first, so that it starts nothing new meanwhile. */
export function killTree(root: number): number[] {
  kill(root, 'SIGSTOP');
  const all = [...descendants(root), root];
  for (const pid of all) kill(pid, 'SIGKILL');
  return all;
}

/** Signals a process; one that has gone is no error. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Whether a process is there and no zombie. */
export function runs(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== '' && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}

function processes(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** Empty where the process has gone, or is not ours to read. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
