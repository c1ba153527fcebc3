/**
 * The words of this folder.
 *
 *   line        one line of a file: a keyword and its arguments
 *   directive   what a line sets: a keyword, its value in the spelling of `ssh -G`, and its place
 *   block       the directives between two of `Host`, `Match` and `Include`, with the condition they stand under
 *   program     all blocks of all files in the order in which ssh reads them
 *   pass        one walk through the program; there is a second one where `Match final` or canonical names ask for it
 */

/** Where something is written; ssh itself counts lines from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** One file to read. */
export interface SshConfigFile {
  readonly path: string;
  /**
   * `flag`: named by `-F`, must exist · `user`: ~/.ssh/config, refused where others may write it · `system`: /etc/ssh.
   * Relative Includes of a `system` file are below /etc/ssh, all others below ~/.ssh.
   */
  readonly from: 'flag' | 'user' | 'system';
}

/** Who asks for which host. `user` and `port` are those of the command line: they win, and Match and tokens see them. */
export interface SshConfigQuery {
  /** The host as it is typed, without user and port. */
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  /** What `ssh -P` gives and `Match tagged` looks at. */
  readonly tag?: string | undefined;
}

/** How a directive joins those that came before: see evaluate.ts. */
export type Joins = 'first' | 'identity' | 'environment' | 'forward' | 'jump' | 'proxy';

export interface Directive {
  /** Lower case and without aliases: what `ssh -G` prints in front. */
  readonly keyword: string;
  /** The keyword as it is written in manuals, for messages. */
  readonly name: string;
  /** In the spelling of `ssh -G`. */
  readonly values: readonly string[];
  readonly place: Place;
  readonly joins: Joins;
  /** Read from a file of the user, not of the system. */
  readonly ofUser: boolean;
}

/** One criterion of a Match line, or the patterns of a Host line. */
export type Criterion =
  | {
      readonly is: 'host' | 'originalhost' | 'user' | 'localuser' | 'tagged';
      readonly not: boolean;
      readonly list: PatternList;
    }
  | { readonly is: 'tagged-empty'; readonly not: boolean }
  | { readonly is: 'final' | 'canonical'; readonly not: boolean }
  | { readonly is: 'all'; readonly not: boolean }
  | { readonly is: 'exec'; readonly not: boolean; readonly command: string }
  | { readonly is: 'unsupported'; readonly name: string };

/** Does the text match? `!` negation is part of the list. */
export type PatternList = (text: string) => boolean;

export interface HostPatterns {
  readonly matches: PatternList;
  /** All hosts that can match, if they can be listed; undefined where a pattern has wildcards. */
  readonly names: readonly string[] | undefined;
  /** Those of its patterns that are a name. */
  readonly plain: readonly string[];
}

/** What a line of Host or Match asks for. */
export type Condition =
  | { readonly kind: 'host'; readonly patterns: HostPatterns; readonly place: Place }
  | { readonly kind: 'match'; readonly criteria: readonly Criterion[]; readonly place: Place };

/** What one line is, whoever asks. */
export type Line =
  | { readonly kind: 'directives'; readonly directives: readonly Directive[] }
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'include'; readonly paths: readonly string[]; readonly place: Place }
  | { readonly kind: 'unknown'; readonly keyword: string; readonly place: Place };

/** A directive in force, where it changes what a transport has to do. */
export interface Found {
  readonly directive: string;
  readonly value: string;
  readonly file: string;
  readonly line: number;
  readonly why: string;
}
