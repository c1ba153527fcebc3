import { KeylaneError } from '../../errors.js';
import { nearest } from '../../util/nearest.js';
import { quoteArgv, scriptLine } from '../../util/quote.js';
import { shown } from './job-check.js';

/**
 * A command for a shell with `{column}` fields. What comes in their place is quoted as one word, or as a part of one, by
 * the same rules as words of `argv`; `{{` and `}}` are braces. Where quotes would mean something else (within quotes, in
 * a comment, in a here-document) a field is refused: what it holds could run as a command.
 */
export class Template {
  /** Texts and fields in turn. */
  readonly #texts: string[];
  readonly fields: readonly string[];

  /** Throws `ERR_INPUT` that tells the place (from 1) in the template. */
  constructor(template: string) {
    const { texts, fields } = taken(template);
    this.#texts = texts;
    this.fields = fields;
  }

  /** What keeps the template from being filled. */
  problem(value: (field: string) => string | undefined, columns: readonly string[] = []): string | undefined {
    for (const field of this.fields) {
      const text = value(field);
      if (text === undefined) {
        const near = nearest(field, columns);
        const hint = near ? `; did you mean \`{${near}}\`?` : ' (a brace of the shell is written twice: `{{`, `}}`)';
        return `there is no column \`${shown(field)}\`, which the template names${hint}`;
      }
      if (text.includes('\0')) return `the column \`${shown(field)}\` holds NUL, which no command line can carry`;
    }
    return undefined;
  }

  /** The command, where there is no problem. */
  fill(value: (field: string) => string): string {
    let command = this.#texts[0] as string;
    let newline = false;
    this.fields.forEach((field, at) => {
      const text = value(field);
      newline ||= text.includes('\n');
      command += quoteArgv([text]) + this.#texts[at + 1];
    });
    // csh ends a command at a newline even within quotes: as for `argv`, sh is what reads it then.
    return newline ? scriptLine(command) : command;
  }
}

/** What of the shell's own quoting a place is in. */
type Within = 'nothing' | "'" | '"' | '`' | 'comment';

function taken(template: string): { texts: string[]; fields: string[] } {
  const texts: string[] = [];
  const fields: string[] = [];
  let text = '';
  let within: Within = 'nothing';
  /** What was there after which quotes may not quote: a here-document, arithmetic. */
  let unquoting: string | undefined;
  for (let at = 0; at < template.length; at++) {
    const char = template[at] as string;
    const wrong = (says: string) => new KeylaneError('ERR_INPUT', `the template, at ${at + 1}: ${says}`);
    if ((char === '{' || char === '}') && template[at + 1] === char) {
      text += char;
      at++;
    } else if (char === '}') throw wrong('a `}` that ends no field; a brace of the shell is written twice: `}}`');
    else if (char === '{') {
      const end = template.indexOf('}', at);
      const field = template.slice(at + 1, end < 0 ? undefined : end);
      if (end < 0 || field === '' || field.includes('{'))
        throw wrong('a `{` that begins no field; a brace of the shell is written twice: `{{`');
      const before = template[at - 1];
      if (within === 'comment') throw wrong(`\`{${shown(field)}}\` stands in a comment`);
      if (within !== 'nothing')
        throw wrong(`\`{${shown(field)}}\` stands within ${within}; it is quoted already, so leave the quotes out`);
      if (before === '\\' || before === '$')
        throw wrong(`\`{${shown(field)}}\` stands behind ${before}; a brace of the shell is written twice: \`{{\``);
      if (unquoting)
        throw wrong(
          `\`{${shown(field)}}\` stands behind ${unquoting}, where quotes do not quote; pass it as an argument`,
        );
      texts.push(text);
      fields.push(field);
      text = '';
      at = end;
    } else {
      text += char;
      if (char === '\\' && within !== "'" && within !== 'comment') {
        // What is behind it stands for itself.
        const next = template[at + 1];
        if (next !== undefined && next !== '{' && next !== '}') {
          text += next;
          at++;
        }
      } else if (within === 'nothing') {
        if (char === "'" && template[at - 1] === '$') throw wrong("$' is not for all shells; use plain quotes");
        if (char === "'" || char === '"' || char === '`') within = char;
        else if (char === '#' && /(^|[\s;&|()])$/.test(text.slice(0, -1))) within = 'comment';
        else if (text.endsWith('((') || text.endsWith('$[')) unquoting = text.slice(-2);
        else if (text.endsWith('<<') && template[at + 1] !== '<' && !text.endsWith('<<<')) unquoting = '<<';
      } else if (char === within || (within === 'comment' && char === '\n')) {
        if (char === "'" && template[at - 1] === '\\') throw wrong("\\' within '…' is a quote for some shells only");
        within = 'nothing';
      }
    }
  }
  texts.push(text);
  return { texts, fields };
}
