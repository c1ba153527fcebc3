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

/**
 * Of a line that is not `ok`: where it was, how it ended and why, as the members of a JSON object (with its braces). Equal
 * for results that differ in their index, times and output only. To parse whole lines took five times as long.
 *
 * The members of a line come in a fixed order, and what looks like one cannot stand in a text: a quote there is escaped.
 */
export function whyPart(line: string): string | undefined {
  const key = line.indexOf(',"key":"');
  const host = line.lastIndexOf(',"host":"', key);
  const from = (host < 0 ? key : host) + 1;
  const error = line.indexOf(',"error":{', key);
  const response = line.indexOf(',"response":', key);
  if (error > 0 && (response < 0 || error < response)) {
    const end = line.indexOf(',"attempts":', error);
    return end < 0 ? undefined : `{${line.slice(from, end)}}`;
  }
  EXIT.lastIndex = response;
  return response > 0 && EXIT.test(line) ? `{${line.slice(from, EXIT.lastIndex)}}}` : undefined;
}

const EXIT = /,"response":\{"code":(?:\d+|null),"signal":(?:null|"\w+")(?=[,}])/y;
