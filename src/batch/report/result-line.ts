import type { Attempt, Outcome, Result, Timing } from '../../types.js';

/** A result as a line of JSON holds it: what of it is read here. What a driver answered may be anything. */
export interface ReportedLine {
  index: number;
  id: string;
  driver?: string;
  host?: string;
  key: string;
  outcome: Outcome;
  response?: unknown;
  error?: { code: string; message: string };
  attempts: number;
  shard: number;
  reused: boolean;
  cache: Result['cache'];
  timing: Timing;
  history: Attempt[];
}

export function readLine(line: string): ReportedLine {
  return JSON.parse(line) as ReportedLine;
}

/** What the peer said no with, if it was a command: its exit code, or the signal that ended it. */
export function exitOf({ response }: ReportedLine): { code: number | null; signal: string | null } | undefined {
  if (typeof response !== 'object' || response === null) return undefined;
  const { code, signal } = response as { code?: unknown; signal?: unknown };
  if (typeof signal === 'string') return { code: null, signal };
  return typeof code === 'number' ? { code, signal: null } : undefined;
}
