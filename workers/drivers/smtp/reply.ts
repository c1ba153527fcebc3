import { printable } from '../../../src/util/printable.js';

/** What a server answers to one command. (RFC 5321, 4.2) */
export interface Reply {
  code: number;
  /** Its lines without their codes, as bytes (latin1). */
  lines: readonly string[];
}

/** A line has 512 octets in RFC 5321 (4.5.3.1.5); more is common, without bound is an attack. */
const MOST_LINE = 4_096;
const MOST_REPLY = 64 * 1024;
/** Of an empty line too. */
const LINE_COST = 16;
const TOO_LONG = `a line of a reply is longer than ${MOST_LINE} bytes`;

/** Takes a server's bytes apart into replies. What it keeps is bounded, whatever the server sends. */
export class Replies {
  readonly #taken: (reply: Reply) => void;
  readonly #broken: (why: string) => void;
  /** Of the line that has not ended yet. */
  #rest = '';
  #code = 0;
  #lines: string[] = [];
  #bytes = 0;
  #isBroken = false;

  /** `broken`: what comes is no reply; nothing is taken after it. */
  constructor(taken: (reply: Reply) => void, broken: (why: string) => void) {
    this.#taken = taken;
    this.#broken = broken;
  }

  /** While a reply is told of: is there anything behind it? */
  hasMore = false;

  push(chunk: Buffer): void {
    const bytes = chunk.toString('latin1');
    const text = this.#rest === '' ? bytes : this.#rest + bytes;
    let start = 0;
    let end = text.indexOf('\n');
    while (end >= 0 && !this.#isBroken) {
      this.hasMore = end + 1 < text.length;
      this.#line(text, start, end > start && text.charCodeAt(end - 1) === CR ? end - 1 : end);
      start = end + 1;
      end = text.indexOf('\n', start);
    }
    if (this.#isBroken) return;
    this.#rest = start === text.length ? '' : text.slice(start);
    if (this.#rest.length > MOST_LINE) this.#break(TOO_LONG);
  }

  #line(text: string, start: number, end: number): void {
    const code = codeAt(text, start);
    const follows = end > start + 3 ? text.charCodeAt(start + 3) : SPACE;
    this.#bytes += end - start + LINE_COST;
    if (end - start > MOST_LINE) this.#break(TOO_LONG);
    else if (code === 0 || (follows !== SPACE && follows !== DASH))
      this.#break(`it said \`${printable(text.slice(start, end), 100)}\`, which is no reply of SMTP`);
    else if (this.#lines.length > 0 && code !== this.#code)
      this.#break(`a reply begins with ${this.#code} and goes on with ${code}`);
    else if (this.#bytes > MOST_REPLY) this.#break(`a reply is longer than ${MOST_REPLY} bytes`);
    else {
      this.#lines.push(text.slice(start + 4, end));
      this.#code = code;
      if (follows === SPACE) this.#end();
    }
  }

  #end(): void {
    const reply = { code: this.#code, lines: this.#lines };
    this.#lines = [];
    this.#bytes = 0;
    this.#taken(reply);
  }

  #break(why: string): void {
    this.#isBroken = true;
    this.#rest = '';
    this.#lines = [];
    this.#broken(why);
  }
}

const CR = 0x0d;
const SPACE = 0x20;
const DASH = 0x2d;

/** 200 … 599, or 0. */
function codeAt(text: string, at: number): number {
  const hundreds = text.charCodeAt(at) - 0x30;
  const tens = text.charCodeAt(at + 1) - 0x30;
  const ones = text.charCodeAt(at + 2) - 0x30;
  const isCode = hundreds >= 2 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
  return isCode ? hundreds * 100 + tens * 10 + ones : 0;
}

/** As people and `SmtpResponse` have it. */
export interface Words {
  code: number;
  enhanced?: string;
  message: string;
}

const MOST_MESSAGE = 1_000;
/** RFC 3463, at the beginning of each line (RFC 2034). */
const ENHANCED = /^([245])\.(\d{1,3})\.(\d{1,3})(?: |$)/;

/** The reply on one line, its status code apart from its words. */
export function wordsOf({ code, lines }: Reply): Words {
  const status = ENHANCED.exec(lines[0] as string);
  const enhanced = status && Number(status[1]) === Math.floor(code / 100) ? status[0].trim() : undefined;
  const text = lines.map((line) => decoded(enhanced === undefined ? line : line.replace(ENHANCED, ''))).join(' ');
  const message = printable(text.trim(), MOST_MESSAGE);
  return enhanced === undefined ? { code, message } : { code, enhanced, message };
}

/** `550 5.1.1 no such user` */
export function told(reply: Reply): string {
  const { code, enhanced, message } = wordsOf(reply);
  return [code, enhanced, printable(message)].filter((part) => part !== undefined && part !== '').join(' ');
}

/** Replies are ASCII; where they are not, they are UTF-8 most of the time. */
function decoded(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is ASCII.
  return /^[\x00-\x7f]*$/.test(line) ? line : Buffer.from(line, 'latin1').toString();
}

/** A whole reply that somebody else has read; undefined where it is none. */
export function replyOf(text: string): Reply | undefined {
  let reply: Reply | undefined;
  const replies = new Replies(
    (taken) => {
      reply ??= taken;
    },
    () => undefined,
  );
  replies.push(Buffer.from(`${text}\r\n`));
  return reply;
}
