/** One row of the table in load/README.md: a piece of work, its peers, and what must be reached. */
export interface Scenario {
  readonly name: string;
  /** `dispatch`: no socket, the echo driver. `loopback`: real sockets on 127.0.0.0/8 of this machine. */
  readonly fixture: 'dispatch' | 'loopback';
  /** It is killed after so long. */
  readonly limitSeconds: number;
  /** True if ssh2's native binding matters: `all` then runs it once with and once without. */
  readonly binding: boolean;
  /** Throws `Missing` where this machine lacks something that it cannot do without. */
  measure(size: Size): Promise<Measured>;
}

export interface Size {
  /** Less work, for a look while something is changed: such figures are not to be written down. */
  short: boolean;
}

export interface Measured {
  figures: Figures;
  peers: Figures;
  /** keylane beside each peer; which way round stands in the name. */
  ratios: Record<string, number>;
  targets: Target[];
  /** Peers that are not on this machine, and what else a reader must know. */
  notes?: string[];
}

export type Figures = { [name: string]: number | string | Figures };

/** Exactly one of `atLeast` and `atMost`. */
export interface Target {
  what: string;
  /** undefined: could not be measured here, as the notes say. */
  value: number | undefined;
  atLeast?: number;
  atMost?: number;
}

/** What a scenario prints. */
export interface Report extends Omit<Measured, 'targets' | 'notes'> {
  scenario: string;
  fixture: Scenario['fixture'];
  targets: { what: string; value: number | undefined; target: string; reached: boolean | undefined }[];
  /** True if every target that could be measured is reached. */
  reached: boolean;
  notes: string[];
  cores: number;
  node: string;
  /** Is ssh2's native binding in use? */
  native: 'yes' | 'no';
  date: string;
}

/** This machine lacks something; the message says what to install or do. */
export class Missing extends Error {}

export function judge(target: Target): Report['targets'][number] {
  const { what, value, atLeast, atMost } = target;
  const text = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  if (value === undefined) return { what, value, target: text, reached: undefined };
  const reached = value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);
  return { what, value, target: text, reached };
}
