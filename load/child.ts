import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

export interface Spent {
  ms: number;
  /** CPU of it, all its threads and the children that it waited for, from its start to its end. In steps of 10 ms. */
  cpuMs: number;
}

/** Of the kernel's clock, in which it tells the CPU time of children. */
const TICK_MS = 10;

/** Runs a program to its end. Throws where that is not 0. One at a time: the CPU is that of all children that ended. */
export async function runChild([command, ...argv]: readonly string[]): Promise<Spent> {
  const [cpu, since] = [childrenCpuMs(), performance.now()];
  const child = spawn(command!, argv, { stdio: ['ignore', 'ignore', 'pipe'], env: plainEnvironment() });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${argv[0]} exited with ${code ?? signal}: ${said}`);
  return { ms: performance.now() - since, cpuMs: childrenCpuMs() - cpu };
}

/** Node reads a further certificate store at each start, 30 ms of CPU for what nobody here asks. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
  return rest;
}

/** CPU of the children that have ended and were waited for. (proc(5): cutime and cstime, after the name in brackets) */
export function childrenCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}
