import { isIP, SocketAddress } from 'node:net';
import { mistake, unsupported } from './mistakes.js';
import { compileList } from './patterns.js';
import type { Block, Program } from './program.js';
import { Settings } from './settings.js';
import { expandTokens, type Here, tokensOf } from './tokens.js';
import type { Criterion, Place, SshConfigQuery } from './types.js';
import { BadValue } from './values.js';
import { lowerCase } from './words.js';

/** What the second pass cannot set, and its defaults. */
const SETTLED = [
  ['canonicalizehostname', 'false'],
  ['canonicalizemaxdots', '1'],
  ['canonicalizefallbacklocal', 'yes'],
] as const;

/** A command of `Match exec` whose exit status is wanted. */
export interface Question {
  readonly command: string;
  readonly place: Place;
}

/** What was found out about one destination. */
export interface Evaluated {
  readonly settings: Settings;
  /** The host to connect to: HostName or what was typed, in lower case, addresses in their usual form. */
  readonly host: string;
  /** ssh would look up names in DNS here and might then choose another host. */
  readonly wantsDns: boolean;
}

/** A program that is ready to be asked. */
export class Evaluator {
  readonly #program: Program;
  readonly #here: Here;
  readonly #allowExec: boolean;
  /** Blocks that can only be in force for hosts that can be listed, by host; and all others. In order. */
  readonly #byHost = new Map<string, number[]>();
  readonly #others: number[] = [];
  readonly #wantsFinal: boolean;

  constructor(program: Program, here: Here, allowExec: boolean) {
    this.#program = program;
    this.#here = here;
    this.#allowExec = allowExec;
    const names: (readonly string[] | undefined)[] = [];
    for (const [index, { condition, within }] of program.blocks.entries()) {
      const own = condition?.kind === 'host' ? condition.patterns.names : undefined;
      names[index] = own ?? names[within];
      if (names[index] === undefined) this.#others.push(index);
      else for (const name of new Set(names[index])) this.#note(name, index);
    }
    // ssh sees a `final` in any block, in force or not. OpenSSH 9.2 counts `!final` too; later versions do not.
    this.#wantsFinal = program.blocks.some(
      ({ condition }) =>
        condition?.kind === 'match' &&
        condition.criteria.some(({ is, ...rest }) => is === 'final' && 'not' in rest && !rest.not),
    );
  }

  /** Answers, or asks for an exit status first: resumed with "was it 0?". */
  *evaluate(query: SshConfigQuery): Generator<Question, Evaluated, boolean> {
    const settings = new Settings();
    if (query.user !== undefined) settings.give('user', query.user);
    if (query.port !== undefined) settings.give('port', String(query.port));
    if (query.tag !== undefined) settings.give('tag', query.tag);
    yield* this.#pass(settings, query.host, query.host, false);
    this.#refuseUnknown(settings);
    for (const [keyword, directive] of this.#program.always)
      if (settings.one(keyword) === undefined) settings.add(directive);
    const host = canonical(hostOf(settings, query.host), settings.text('addressfamily') ?? 'any');
    const canonicalize = settings.text('canonicalizehostname') ?? 'false';
    if (this.#wantsFinal || canonicalize !== 'false') {
      settings.change('hostname', host);
      // ssh has settled these by now: the second pass cannot set them.
      for (const [keyword, value] of SETTLED) if (settings.one(keyword) === undefined) settings.give(keyword, value);
      yield* this.#pass(settings, query.host, host, true);
    }
    return { settings, host, wantsDns: wantsDns(settings, host, canonicalize) };
  }

  /** Most hosts have one block: a list that starts empty and grows keeps room for 17. */
  #note(name: string, index: number): void {
    const list = this.#byHost.get(name);
    if (list === undefined) this.#byHost.set(name, [index]);
    else list.push(index);
  }

  /** `host` is what Host lines are compared with: in the second pass no longer what was typed. */
  *#pass(settings: Settings, typed: string, host: string, final: boolean): Generator<Question, void, boolean> {
    const { blocks } = this.#program;
    const active = new Uint8Array(blocks.length);
    const named = this.#byHost.get(host) ?? [];
    for (let a = 0, b = 0; a < this.#others.length || b < named.length; ) {
      const index =
        a < this.#others.length && (b >= named.length || this.#others[a]! < named[b]!)
          ? this.#others[a++]!
          : named[b++]!;
      const block = blocks[index]!;
      if (block.within >= 0 && active[block.within] === 0) continue;
      const { condition } = block;
      if (condition?.kind === 'host' && !condition.patterns.matches(host)) continue;
      if (condition?.kind === 'match' && !(yield* this.#match(block, condition.criteria, settings, typed, final)))
        continue;
      active[index] = 1;
      for (const directive of block.directives) settings.add(directive);
    }
  }

  *#match(
    block: Block,
    criteria: readonly Criterion[],
    settings: Settings,
    typed: string,
    final: boolean,
  ): Generator<Question, boolean, boolean> {
    const { place } = block.condition!;
    // Without leave to run commands the other criteria are looked at first: where one fails, nothing has to run.
    let forbidden: string | undefined;
    for (const criterion of criteria) {
      if (criterion.is === 'unsupported') {
        forbidden ??= `Match ${criterion.name}`;
        continue;
      }
      if (criterion.is === 'exec' && !this.#allowExec) {
        forbidden ??= 'Match exec';
        continue;
      }
      const is =
        criterion.is === 'exec'
          ? yield this.#question(criterion.command, place, settings, typed, final)
          : this.#holds(criterion, settings, typed, final);
      if (is === criterion.not) return false;
    }
    if (forbidden === 'Match exec')
      throw unsupported(place, forbidden, 'commands of a configuration are run only with allowExec');
    if (forbidden !== undefined)
      throw unsupported(place, forbidden, 'this criterion is not supported; write the block with Host or Match host');
    return true;
  }

  #holds(
    criterion: Exclude<Criterion, { is: 'exec' | 'unsupported' }>,
    settings: Settings,
    typed: string,
    final: boolean,
  ): boolean {
    switch (criterion.is) {
      case 'host':
        return criterion.list(lowerCase(final ? settings.text('hostname')! : hostOf(settings, typed)));
      case 'originalhost':
        return criterion.list(lowerCase(typed));
      case 'user':
        return criterion.list(settings.text('user') ?? this.#here.user);
      case 'localuser':
        return criterion.list(this.#here.user);
      case 'tagged':
        return (settings.text('tag') ?? '') !== '' && criterion.list(settings.text('tag')!);
      case 'tagged-empty':
        return (settings.text('tag') ?? '') === '';
      case 'final':
      case 'canonical':
        return final;
      case 'all':
        return true;
    }
  }

  #question(command: string, place: Place, settings: Settings, typed: string, final: boolean): Question {
    const host = final ? settings.text('hostname')! : hostOf(settings, typed);
    const tokens = tokensOf(this.#here, {
      host,
      typed,
      port: Number(settings.text('port') ?? 22),
      user: settings.text('user') ?? this.#here.user,
      alias: settings.text('hostkeyalias') ?? host,
      jump: '',
    });
    try {
      return { command: expandTokens(command, tokens), place };
    } catch (error) {
      if (error instanceof BadValue) throw mistake(place, 'Match exec', error.message);
      throw error;
    }
  }

  /** ssh needs IgnoreUnknown in front of what it is to ignore; also of what is in a block for other hosts. */
  #refuseUnknown(settings: Settings): void {
    if (this.#program.unknown.length === 0) return;
    const ignoring = settings.one('ignoreunknown');
    const ignored = ignoring === undefined ? undefined : compileList(ignoring.values[0]!, true);
    for (const { keyword, place, after } of this.#program.unknown) {
      if (ignoring !== undefined && this.#program.ignoring.get(ignoring)! < after && ignored!(keyword)) continue;
      throw mistake(
        place,
        keyword,
        'ssh has no such option; mend the spelling, or name it in an IgnoreUnknown line before it',
      );
    }
  }
}

/** HostName, in which `%h` is what was typed, or what was typed. */
function hostOf(settings: Settings, typed: string): string {
  const directive = settings.one('hostname');
  if (directive === undefined) return typed;
  try {
    return expandTokens(directive.values[0]!, (token) => (token === 'h' ? typed : undefined));
  } catch (error) {
    if (error instanceof BadValue) throw mistake(directive.place, 'HostName', error.message);
    throw error;
  }
}

/**
 * Names in lower case; addresses in the form that the system prints, `127.1` as 127.0.0.1 and `::0:1` as ::1, unless
 * AddressFamily shuts them out.
 */
function canonical(host: string, family: string): string {
  if (host.includes('%')) return host;
  if (host.includes(':')) {
    const isAddress = family !== 'inet' && isIP(host) === 6;
    return isAddress ? new SocketAddress({ address: host, family: 'ipv6' }).address : host;
  }
  if (family === 'inet6') return /^[\d.]+$/.test(host) ? host : lowerCase(host);
  if (/^[\d.]+$/.test(host)) return shortAddress(host) ?? host;
  // 0x7f.1 is an address to the system as well.
  return /^[\da-fx.]+$/i.test(host) ? (shortAddress(host) ?? lowerCase(host)) : lowerCase(host);
}

/** IPv4 as `inet_aton` reads it: one to four numbers, decimal, octal or hexadecimal; the last fills what is left. */
function shortAddress(host: string): string | undefined {
  const parts = host.split('.');
  if (parts.length > 4 || !parts.every((part) => /^(?:0x[\da-f]+|0[0-7]*|[1-9]\d*)$/i.test(part))) return undefined;
  const numbers = parts.map((part) => (/^0[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number(part)));
  const last = numbers.pop()!;
  if (numbers.some((number) => number > 255) || last >= 256 ** (4 - numbers.length)) return undefined;
  const bytes = [...numbers];
  for (let left = 3 - numbers.length; left >= 0; left--) bytes.push(Math.floor(last / 256 ** left) % 256);
  return bytes.join('.');
}

/** Names with few enough dots are looked up under each of CanonicalDomains; CNAMEs are followed if rules say so. */
function wantsDns(settings: Settings, host: string, canonicalize: string): boolean {
  const isProxied = [settings.text('proxycommand'), settings.text('proxyjump')].some(
    (value) => value !== undefined && value.toLowerCase() !== 'none',
  );
  const rules = settings.one('canonicalizepermittedcnames')?.values ?? [];
  if ((isProxied && canonicalize !== 'always') || isIP(host) !== 0) return false;
  if (rules.length > 0 && rules[0] !== 'none') return true;
  if (canonicalize === 'false') return false;
  if (host.endsWith('.')) return true;
  const domains = settings.one('canonicaldomains')?.values ?? [];
  if (host.split('.').length - 1 > Number(settings.text('canonicalizemaxdots') ?? 1)) return false;
  return (domains.length > 0 && domains[0] !== 'none') || settings.text('canonicalizefallbacklocal') === 'no';
}
