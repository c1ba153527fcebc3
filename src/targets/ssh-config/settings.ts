import { tooMany } from './line.js';
import { mistake } from './mistakes.js';
import { compilePattern } from './patterns.js';
import type { Directive } from './types.js';

/** Where a value is from that no file has. */
const NOWHERE = { file: 'request', line: 0 };

/** What is in force for one destination: the directives themselves, so that each value knows its place. */
export class Settings {
  readonly #one = new Map<string, Directive>();
  readonly #many = new Map<string, Directive[]>();

  /** The directive that counts, of those of which one does. */
  one(keyword: string): Directive | undefined {
    return this.#one.get(keyword);
  }

  /** All of those that add up: IdentityFile, CertificateFile, SendEnv, forwardings. */
  many(keyword: string): readonly Directive[] {
    return this.#many.get(keyword) ?? [];
  }

  /** Every directive in force. */
  *all(): Generator<Directive> {
    yield* this.#one.values();
    for (const directives of this.#many.values()) yield* directives;
  }

  text(keyword: string): string | undefined {
    return this.#one.get(keyword)?.values[0];
  }

  /** Sets a value that comes from the caller, not from a file. */
  give(keyword: string, value: string): void {
    this.#one.set(keyword, { keyword, name: keyword, values: [value], place: NOWHERE, joins: 'first', ofUser: true });
  }

  /** Changes a value and leaves its place. */
  change(keyword: string, value: string): void {
    const directive = this.#one.get(keyword);
    if (directive === undefined) this.give(keyword, value);
    else if (directive.values[0] !== value) this.#one.set(keyword, { ...directive, values: [value] });
  }

  /** One more directive in force: most keywords keep the first value they get. */
  add(directive: Directive): void {
    const { keyword, joins } = directive;
    switch (joins) {
      case 'first':
        if (!this.#one.has(keyword)) this.#one.set(keyword, directive);
        return;
      case 'jump':
      case 'proxy':
        // Whichever comes first shuts out the other; only `ProxyJump none` leaves room for a command.
        if (this.#one.has('proxycommand') || (joins === 'jump' && this.#one.has('proxyjump'))) return;
        if (joins === 'jump' || (this.text('proxyjump') ?? 'none').toLowerCase() === 'none')
          this.#one.set(keyword, directive);
        return;
      case 'environment':
        this.#environment(directive);
        return;
      default:
        this.#append(directive);
    }
  }

  #append(directive: Directive): void {
    const list = this.#listOf(directive.keyword);
    refuseTooMany(directive, list.length);
    const { values, ofUser, joins } = directive;
    // The same key of the user and of the system is two to ssh.
    const isAlike = (other: Directive) =>
      other.values[0] === values[0] && (joins !== 'identity' || other.ofUser === ofUser);
    if (!list.some(isAlike)) list.push(directive);
  }

  /** `-NAME` takes back what came before it. */
  #environment(directive: Directive): void {
    const list = this.#listOf(directive.keyword);
    const name = directive.values[0]!;
    if (!name.startsWith('-')) {
      refuseTooMany(directive, list.length);
      list.push(directive);
      return;
    }
    const away = compilePattern(name.slice(1));
    this.#many.set(
      directive.keyword,
      list.filter((other) => !away(other.values[0]!)),
    );
  }

  #listOf(keyword: string): Directive[] {
    const list = this.#many.get(keyword);
    if (list !== undefined) return list;
    const created: Directive[] = [];
    this.#many.set(keyword, created);
    return created;
  }
}

function refuseTooMany(directive: Directive, already: number): void {
  const wrong = tooMany(directive, already);
  if (wrong !== undefined) throw mistake(directive.place, directive.name, wrong);
}
