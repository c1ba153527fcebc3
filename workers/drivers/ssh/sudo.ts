import { randomBytes } from 'node:crypto';
import { KeylaneError } from '../../../src/errors.js';
import type { ExecOrder } from '../../../src/specs/ssh.js';
import { quoteArgv, scriptLine } from '../../../src/util/quote.js';
import type { SudoOf } from './session-host.js';

/** What sudo may say before the command begins; a lecture is shorter. */
const MOST_WORDS = 64 << 10;

export interface SudoPeer {
  /** Sends a line to sudo. */
  say(line: string): void;
  /** The command has begun: what is written from now on is read by it. `early`: what it wrote to stdout by now. */
  begun(early: Buffer | undefined): void;
  /** It will not begin. */
  failed(error: KeylaneError): void;
}

/**
 * A command under sudo, from its start to the moment at which sudo has let it through.
 *
 * The password goes out only in answer to sudo's own question, which is a text of ours that nobody can foresee; so it can
 * neither reach the command's stdin nor be shown. The first thing that the command does is to say another such text: what
 * comes before is sudo's, what comes after is the command's.
 */
export class Sudo {
  readonly command: string;
  begun = false;
  readonly #key: string;
  readonly #question: string;
  readonly #mark: string;
  readonly of: SudoOf;
  readonly #words = { stdout: '', stderr: '' };
  #asked = 0;

  constructor(order: ExecOrder, of: SudoOf, key: string) {
    const token = randomBytes(12).toString('hex');
    this.#key = key;
    this.#question = `[keylane ${token} password]`;
    this.#mark = `[keylane ${token} begins]`;
    this.of = of;
    const names = Object.keys(order.env ?? {});
    // The answer may wait for the question only where there is one: -n fails where sudo would ask.
    const how = of.password === undefined ? ['-n'] : ['-S', '-p', this.#question];
    if (names.length > 0) how.push(`--preserve-env=${names.join(',')}`);
    const inner = `printf %s ${quoteArgv([this.#mark])} >&2; exec sh -c ${quoteArgv([order.command])}`;
    const words = quoteArgv([...how, '-u', this.of.user, '--', 'sh', '-c', inner]);
    this.command = scriptLine(`LC_ALL=C exec sudo ${words}`);
  }

  /** What of a piece of output is the command's; undefined if nothing is. */
  take(data: Buffer, stderr: boolean, peer: SudoPeer): Buffer | undefined {
    if (this.begun) return data;
    const channel = stderr ? 'stderr' : 'stdout';
    // latin1: a byte is a character, so places in the text are places in the bytes.
    const words = this.#words[channel] + data.toString('latin1');
    this.#words[channel] = words;
    const mark = words.indexOf(this.#mark);
    if (mark >= 0) {
      this.begun = true;
      // The server reads the two outputs one after the other: what came second by stderr may have been written first.
      const early = channel === 'stderr' && this.#words.stdout !== '';
      peer.begun(early ? Buffer.from(this.#words.stdout, 'latin1') : undefined);
      const rest = words.slice(mark + this.#mark.length);
      return rest === '' ? undefined : Buffer.from(rest, 'latin1');
    }
    const questions = words.split(this.#question).length - 1;
    if (questions > this.#asked) {
      this.#asked = questions;
      if (questions > 1) peer.failed(this.refusal('the password is wrong'));
      else peer.say(`${this.of.password}\n`);
    } else if (words.length > MOST_WORDS) {
      peer.failed(this.refusal('it says too much'));
    }
    return undefined;
  }

  /** Why the command did not begin, in sudo's own words where it had some. */
  refusal(what: string): KeylaneError {
    const said = `${this.#words.stdout}\n${this.#words.stderr}`.replaceAll(this.#question, '');
    const words = Buffer.from(said, 'latin1').toString('utf8').split(/\s+/).join(' ').trim().slice(0, 500);
    const hint =
      this.of.password === undefined && /password/i.test(words) ? '; give `sudo.password` as a reference' : '';
    return new KeylaneError(
      'ERR_SUDO',
      `sudo on ${this.#key} did not run the command as ${this.of.user}: ${what}${words === '' ? '' : ` (${words})`}${hint}`,
      { key: this.#key },
    );
  }
}
