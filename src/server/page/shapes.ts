/**
 * What the API answers, as far as the dashboard reads it. The browser's side of the wall: it imports nothing of the
 * service's own, and a test holds these against the service's types.
 */

export type Outcome = 'ok' | 'failed' | 'not_started' | 'unknown' | 'canceled';

export interface Principal {
  name: string;
  read: boolean;
  run: boolean;
  admin: boolean;
}

export interface Connections {
  opening: number;
  idle: number;
  checking: number;
  busy: number;
  full: number;
  closing: number;
}

export interface Shard {
  state: string;
  restarts: number;
  inFlight: number;
  queued: number;
  busy: number;
  hint?: string | undefined;
  inside?:
    | {
        loopLagMs: number;
        topKeys: {
          overMs: number;
          requests: number;
          byRequests: { key: string; requests: number }[];
          byTime: { key: string; heldMs: number }[];
        };
        connections: Connections;
        keys: number;
        stopped: number;
        opened: number;
        failed: number;
        leaked: number;
      }
    | undefined;
}

export interface Stats {
  /** Milliseconds of Unix time. */
  at: number;
  version: string;
  uptimeMs: number;
  lately: {
    perSecond: number;
    notOkPerSecond: number;
    refusedPerSecond: number;
    p50Ms: number | null;
    p95Ms: number | null;
    p99Ms: number | null;
  };
  engine: { inFlight: number; queued: number; shards: Shard[] };
}

export interface History {
  /** Seconds of Unix time. */
  t: number[];
  series: Record<string, (number | null)[]>;
}

export interface LoggedEvent {
  seq: number;
  at: number;
  event: { type: string; shard?: number | undefined; key?: string | undefined };
}

/** A key that the engine knows. */
export interface Host {
  key: string;
  breaker?: { what: string; state: string; forMs: number; failures: number; message: string };
}

export type BatchState = 'running' | 'interrupted' | 'done' | 'stopped' | 'canceled';

export interface Batch {
  id: string;
  state: BatchState;
  why?: string;
  /** This service runs it. */
  here: boolean;
  paused: boolean;
  /** The name of the token that it belongs to. */
  principal: string | null;
  total: number | null;
  settled: number;
  inFlight: number;
  counts: Record<Outcome, number>;
  /** ISO 8601. */
  createdAt: string;
  ranMs: number;
  error?: { code: string; message: string };
}

export interface BatchReport {
  reasons: { outcome: Outcome; code?: string; message: string; count: number; hosts: string }[];
}

export type Answered = string | { base64: string };

/** A settled request: a line of NDJSON. */
export interface Result {
  id: string;
  host?: string;
  key: string;
  outcome: Outcome;
  response?: unknown;
  error?: { code: string; message: string };
  attempts: number;
  shard: number;
  reused: boolean;
  timing: { queuedMs: number; openMs: number; runMs: number };
}
