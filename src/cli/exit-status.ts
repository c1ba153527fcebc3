import { constants } from 'node:os';
import type { Outcome } from '../index.js';

export interface Ended {
  /** The status that an interruption asks for; undefined if there was none. */
  interrupted: number | undefined;
  /** The output could not be written. */
  outputFailed: boolean;
  outcomes: Readonly<Record<Outcome, number>>;
  /** The largest remote status where it is to be passed on; undefined otherwise. */
  maxRc: number | undefined;
}

/** The exit status: the first of the rules in the help that applies. */
export function exitStatus({ interrupted, outputFailed, outcomes, maxRc }: Ended): number {
  if (interrupted !== undefined) return interrupted;
  if (outputFailed) return 2;
  if (outcomes.not_started + outcomes.unknown + outcomes.canceled > 0) return 3;
  if (outcomes.failed > 0) return maxRc || 1;
  return 0;
}

/** A remote status as one number, as shells count: the code, or 128 + n for signal n. */
export function remoteStatus({ code, signal }: { code: number | null; signal: string | null }): number {
  return code ?? signalStatus(signal ?? '');
}

/** 128 + n; 255 for a signal that this machine does not know. */
export function signalStatus(signal: string): number {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const number = numbers[signal];
  return number === undefined ? 255 : 128 + number;
}
