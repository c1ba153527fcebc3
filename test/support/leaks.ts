import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { settled } from './fake-clock.js';
import { descendants } from './process-tree.js';

/** What this process holds that a test may forget to give back. */
export interface Held {
  fds: number;
  children: number;
  /** Of what keeps the event loop alive, how many of each kind (`TCPSocketWrap`, `Timeout`, …). */
  resources: Record<string, number>;
}

export function held(): Held {
  return { fds: fdCount(), children: descendants(process.pid).length, resources: activeResources() };
}

/** Open file descriptors of this process; the one that counts them is left out. */
export function fdCount(): number {
  return readdirSync('/proc/self/fd').length - 1;
}

export function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/**
 * Fails unless what was taken since `before` has been given back. The kernel and libuv need some turns of the event loop
 * to let go of what was closed, so it looks again for a while: a leak is what stays.
 */
export async function expectNoLeaks(before: Held, after: () => Held = held): Promise<void> {
  let now = after();
  for (let turn = 0; turn < TURNS && leaked(before, now).length > 0; turn++) {
    await settled();
    now = after();
  }
  expect(leaked(before, now)).toEqual([]);
}

const TURNS = 2_000;

function leaked(before: Held, after: Held): string[] {
  const found: string[] = [];
  const compare = (what: string, was: number, is: number) => {
    if (is > was) found.push(`${is - was} ${what}`);
  };
  compare('file descriptors', before.fds, after.fds);
  compare('child processes', before.children, after.children);
  for (const [name, count] of Object.entries(after.resources)) {
    // Immediate and the rest of its kind end by themselves and come from the test runner, too.
    if (PASSING.has(name)) continue;
    compare(name, before.resources[name] ?? 0, count);
  }
  return found;
}

const PASSING: ReadonlySet<string> = new Set(['Immediate', 'TickObject', 'FSReqCallback', 'FSReqPromise', 'CloseReq']);
