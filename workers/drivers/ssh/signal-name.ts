import { printable } from '../../../src/util/printable.js';

/** As Node names it: the protocol leaves `SIG` away, and has names of its own with an `@` in them. */
export function signalName(name: string): string {
  const clean = printable(name);
  return clean.startsWith('SIG') ? clean : `SIG${clean}`;
}
