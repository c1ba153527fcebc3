import type { Group, Groups } from './groups.js';
import { linesOf } from './lines.js';
import { readLiteral } from './literal.js';
import { BadEntry, type Mistakes, shown } from './mistakes.js';
import { expandPattern } from './ranges.js';
import { splitShellWords } from './shell-words.js';

type Section = 'hosts' | 'vars' | 'children';

/**
 * Reads an INI inventory as Ansible does: hosts with variables, `[group]`, `[group:vars]`, `[group:children]`.
 * (Ansible documentation, `ansible.builtin.ini` inventory)
 */
export function readIni(text: string, from: string, groups: Groups, mistakes: Mistakes): void {
  new Ini(from, groups, mistakes).read(text);
}

class Ini {
  readonly #from: string;
  readonly #groups: Groups;
  readonly #mistakes: Mistakes;
  #section: Section = 'hosts';
  /** Undefined below a heading that could not be read: what belongs to it is left out with it. */
  #group: Group | undefined;
  /** Groups that must be declared somewhere, by the line that says so. */
  readonly #expected = new Map<Group, { line: number; why: string }>();
  readonly #declared = new Set<Group>();

  constructor(from: string, groups: Groups, mistakes: Mistakes) {
    this.#from = from;
    this.#groups = groups;
    this.#mistakes = mistakes;
    this.#group = groups.ungrouped;
    for (const group of groups.groups.values()) this.#declared.add(group);
  }

  read(text: string): void {
    for (const [line, entry] of linesOf(text)) {
      if (entry.startsWith('#') || entry.startsWith(';')) continue;
      this.#mistakes.entry(
        () => `${this.#from}:${line}`,
        () => this.#entry(entry, line),
      );
    }
    for (const [group, { line, why }] of this.#expected) {
      if (this.#declared.has(group)) continue;
      this.#mistakes.entry(
        () => `${this.#from}:${line}`,
        () => {
          throw new BadEntry(`expected a section [${group.name}] somewhere, because ${why} names it`);
        },
      );
    }
  }

  #entry(entry: string, line: number): void {
    if (/[^\P{Cc}\t]|[\u2028\u2029\ufffd]/u.test(entry))
      throw new BadEntry('expected UTF-8 without control characters');
    if (entry.startsWith('[') && this.#heading(entry, line)) return;
    const group = this.#group;
    if (group === undefined) return;
    const place = () => `${this.#from}:${line}`;
    if (this.#section === 'hosts') this.#hosts(entry, group, place);
    else if (this.#section === 'vars') {
      const [name, value] = splitAt(entry, 'name=value below a heading [group:vars]');
      this.#groups.setVariable(group, name.trim(), readLiteral(value.trim()), place);
    } else {
      const [, name] = /^([^:\]\s]+)\s*(?:#.*)?$/.exec(entry) ?? [];
      if (name === undefined) throw new BadEntry('expected the name of a group alone');
      const child = this.#groups.group(name);
      this.#groups.addChild(group, child, place);
      this.#expect(child, line, `[${group.name}:children]`);
    }
  }

  /** False where the brackets are those of a host. */
  #heading(entry: string, line: number): boolean {
    const [all, name = '', kind = 'hosts'] = /^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$/.exec(entry) ?? [];
    if (all === undefined && !entry.endsWith(']')) return false;
    this.#group = undefined;
    if (all === undefined || (kind !== 'hosts' && kind !== 'vars' && kind !== 'children')) {
      throw new BadEntry(
        `expected [group], [group:vars] or [group:children], not ${shown(entry)}, and what stands below it`,
      );
    }
    const group = this.#groups.group(name);
    this.#section = kind;
    this.#group = group;
    if (kind === 'vars') this.#expect(group, line, `[${name}:vars]`);
    else this.#declared.add(group);
    return true;
  }

  #expect(group: Group, line: number, why: string): void {
    if (!this.#declared.has(group) && !this.#expected.has(group)) this.#expected.set(group, { line, why });
  }

  #hosts(entry: string, group: Group, place: () => string): void {
    const [pattern = '', ...words] = splitShellWords(entry);
    const variables = words.map((word): [string, unknown] => {
      const [name, value] = splitAt(word, 'name=value behind the host');
      return [name, readLiteral(value)];
    });
    this.#groups.vet(variables, place);
    const { names, port } = expandPattern(pattern, this.#groups.room + 1);
    for (const name of names) {
      const host = this.#groups.host(name, port);
      this.#groups.join(host, group);
      for (const [variable, value] of variables) host.set(variable, value);
    }
  }
}

function splitAt(text: string, expected: string): [string, string] {
  const at = text.indexOf('=');
  // What stands there may be a part of a secret.
  if (at < 0) throw new BadEntry(`expected ${expected}`);
  return [text.slice(0, at), text.slice(at + 1)];
}
