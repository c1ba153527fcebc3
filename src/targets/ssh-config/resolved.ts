import { isDefault, valuesOf } from './effective.js';
import type { Evaluated } from './evaluate.js';
import { type Findings, findingsOf } from './findings.js';
import { type Hop, parseJumps } from './jumps.js';
import { mistake } from './mistakes.js';
import { expandHome, expandPath, expandTokens, type Here, tokensOf } from './tokens.js';
import type { Found, Place, SshConfigQuery } from './types.js';
import { BadValue } from './values.js';

/**
 * The options of one destination, as `ssh -G` would have them: what the files say, then the defaults of OpenSSH.
 * Paths are whole: home, tokens and variables are in place.
 */
export class ResolvedConfig {
  readonly query: SshConfigQuery;
  readonly #evaluated: Evaluated;
  readonly #here: Here;
  readonly #tokens: (token: string) => string | undefined;
  #findings: Findings | undefined;

  constructor(query: SshConfigQuery, evaluated: Evaluated, here: Here) {
    const { settings, host } = evaluated;
    this.query = query;
    this.#evaluated = evaluated;
    this.#here = here;
    const user = settings.text('user') ?? here.user;
    this.#tokens = tokensOf(here, {
      host,
      typed: query.host,
      port: this.port ?? 22,
      user,
      alias: settings.text('hostkeyalias')?.toLowerCase() ?? query.host,
      jump: settings.one('proxyjump') === undefined ? '' : (this.proxyJump?.at(-1)?.host ?? ''),
    });
    // ssh stops at once at a mistake in what it expands for every destination.
    for (const keyword of [
      'controlpath',
      'identityagent',
      'userknownhostsfile',
      'remotecommand',
      'localforward',
      'remoteforward',
      'forwardagent',
    ])
      if (!isDefault(settings, keyword)) this.values(keyword);
  }

  /** The values of a keyword in lower case, in the spelling of `ssh -G`; empty where it has none. */
  values(keyword: string): readonly string[] {
    return this.#guard(keyword, () => valuesOf(keyword, this.#evaluated, this.#here, this.#tokens));
  }

  value(keyword: string): string | undefined {
    return this.values(keyword)[0];
  }

  /** Where the value of a keyword was written; undefined for a default or what the caller gave. */
  where(keyword: string): Place | undefined {
    const { settings } = this.#evaluated;
    const place = (settings.one(keyword) ?? settings.many(keyword)[0])?.place;
    return place === undefined || place.line === 0 ? undefined : place;
  }

  get hostName(): string {
    return this.#evaluated.host;
  }
  /** Undefined where neither the files nor the caller name one. */
  get user(): string | undefined {
    return this.#evaluated.settings.text('user');
  }
  get port(): number | undefined {
    return number(this.#evaluated.settings.text('port'));
  }
  /** Of OpenSSH's usual names where no file names any (`where('identityfile')` tells); without `none`. */
  get identityFiles(): string[] {
    return this.#paths('identityfile');
  }
  get identitiesOnly(): boolean {
    return this.#flag('identitiesonly');
  }
  /** A socket, `SSH_AUTH_SOCK`, `$NAME`, or `none`. */
  get identityAgent(): string | undefined {
    return this.value('identityagent');
  }
  get certificateFiles(): string[] {
    return this.#paths('certificatefile');
  }
  get userKnownHostsFiles(): readonly string[] {
    return this.values('userknownhostsfile');
  }
  get globalKnownHostsFiles(): string[] {
    return this.#guard('globalknownhostsfile', () =>
      this.values('globalknownhostsfile').map((path) => expandHome(path, this.#here)),
    );
  }
  get strictHostKeyChecking(): 'yes' | 'no' | 'ask' | 'accept-new' {
    const value = this.value('stricthostkeychecking');
    return value === 'true' ? 'yes' : value === 'false' ? 'no' : value === 'accept-new' ? value : 'ask';
  }
  get hostKeyAlias(): string | undefined {
    return this.value('hostkeyalias');
  }
  get hashKnownHosts(): boolean {
    return this.#flag('hashknownhosts');
  }
  /** The hosts to go through, the first one first; undefined where nothing is said, empty for `none`. */
  get proxyJump(): Hop[] | undefined {
    const text = this.#evaluated.settings.text('proxyjump');
    return text === undefined ? undefined : parseJumps(text);
  }
  /** As it is written: whoever runs it expands its tokens by `expand`. */
  get proxyCommand(): string | undefined {
    return this.value('proxycommand');
  }
  get connectTimeoutMs(): number | undefined {
    const value = number(this.#evaluated.settings.text('connecttimeout'));
    return value === undefined ? undefined : value * 1000;
  }
  /** 0 is off. */
  get serverAliveIntervalMs(): number {
    return Number(this.value('serveraliveinterval')) * 1000;
  }
  get serverAliveCountMax(): number {
    return Number(this.value('serveralivecountmax'));
  }
  /** Algorithm lists are as written, with `+`, `-` or `^`: `applyAlgorithms` puts them on a list of defaults. */
  get ciphers(): string | undefined {
    return this.value('ciphers');
  }
  get kexAlgorithms(): string | undefined {
    return this.value('kexalgorithms');
  }
  get macs(): string | undefined {
    return this.value('macs');
  }
  get hostKeyAlgorithms(): string | undefined {
    return this.value('hostkeyalgorithms');
  }
  get pubkeyAcceptedAlgorithms(): string | undefined {
    return this.value('pubkeyacceptedalgorithms');
  }
  get requiredRsaSize(): number {
    return Number(this.value('requiredrsasize'));
  }
  get setEnv(): Record<string, string> {
    return Object.fromEntries(
      this.values('setenv').map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
    );
  }
  /** Names of variables, with wildcards. */
  get sendEnv(): readonly string[] {
    return this.values('sendenv');
  }
  /** True, false, or the socket of the agent to forward. */
  get forwardAgent(): boolean | string {
    // A path behind a `no` is printed by ssh, and not used.
    if (this.#evaluated.settings.text('forwardagent') !== 'yes') return false;
    const value = this.value('forwardagent')!;
    return value === 'yes' || value;
  }
  get bindAddress(): string | undefined {
    return this.value('bindaddress');
  }
  get bindInterface(): string | undefined {
    return this.value('bindinterface');
  }
  get addressFamily(): 'any' | 'inet' | 'inet6' {
    const value = this.value('addressfamily');
    return value === 'inet' || value === 'inet6' ? value : 'any';
  }
  get controlPath(): string | undefined {
    return this.value('controlpath');
  }
  get controlMaster(): string {
    return this.value('controlmaster')!;
  }
  get logLevel(): string {
    return this.value('loglevel')!;
  }
  get tag(): string | undefined {
    return this.value('tag');
  }
  get passwordAuthentication(): boolean {
    return this.#flag('passwordauthentication');
  }
  get kbdInteractiveAuthentication(): boolean {
    return this.#flag('kbdinteractiveauthentication');
  }
  get pubkeyAuthentication(): boolean {
    return this.value('pubkeyauthentication') !== 'false';
  }
  /** Methods in order, as written. */
  get preferredAuthentications(): string[] | undefined {
    return this.value('preferredauthentications')?.split(',');
  }
  get numberOfPasswordPrompts(): number {
    return Number(this.value('numberofpasswordprompts'));
  }
  get requestTTY(): 'auto' | 'yes' | 'no' | 'force' {
    const value = this.value('requesttty');
    return value === 'true' ? 'yes' : value === 'false' ? 'no' : value === 'force' ? value : 'auto';
  }
  get remoteCommand(): string | undefined {
    return this.value('remotecommand');
  }
  get batchMode(): boolean {
    return this.#flag('batchmode');
  }
  get compression(): boolean {
    return this.#flag('compression');
  }
  get connectionAttempts(): number {
    return Number(this.value('connectionattempts'));
  }
  get tcpKeepAlive(): boolean {
    return this.#flag('tcpkeepalive');
  }

  /** What the system's ssh does with these files and our own transport does not. */
  get needsOpenSsh(): readonly Found[] {
    return this.#found().needsOpenSsh;
  }
  /** What changes the meaning and nothing here can do. */
  get unsupported(): readonly Found[] {
    return this.#found().unsupported;
  }
  /** What is harmless to leave out. */
  get ignored(): readonly Found[] {
    return this.#found().ignored;
  }

  /** Puts this destination's `%h`, `%p`, `%r` … into a text. */
  expand(text: string): string {
    return this.#guard('proxycommand', () => expandTokens(text, this.#tokens));
  }

  #found(): Findings {
    this.#findings ??= findingsOf(this.#evaluated);
    return this.#findings;
  }

  #flag(keyword: string): boolean {
    return this.value(keyword) === 'yes';
  }

  #paths(keyword: string): string[] {
    const names = this.values(keyword).filter((path) => path.toLowerCase() !== 'none');
    return this.#guard(keyword, () => names.map((path) => expandPath(path, this.#here, this.#tokens)));
  }

  #guard<T>(keyword: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      throw mistake(this.where(keyword) ?? { file: 'request', line: 0 }, keyword, error.message);
    }
  }
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
