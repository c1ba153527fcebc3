import { type EngineStream, KeylaneError } from '../index.js';
import type { BodyLine, BodyLines } from './body-lines.js';

/**
 * Hands the lines of a body on as input, and ends the input with the body; the slower the peer takes it, the slower the body
 * is read. Resolves with what is wrong with a line, and then the request is called off, as it is when the client goes.
 * `waiting`: nothing is read now, because the peer is behind.
 */
export async function feed(
  stream: EngineStream<unknown>,
  lines: BodyLines,
  waiting: (is: boolean) => void,
): Promise<KeylaneError | undefined> {
  try {
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      const taken = stream.write(inputOf(line.value));
      waiting(true);
      await taken;
      waiting(false);
    }
    stream.end();
    return undefined;
  } catch (error) {
    stream.cancel();
    const { code } = error as KeylaneError;
    return code === 'ERR_CANCELED' ? undefined : (error as KeylaneError);
  }
}

/** `{"data":"text"}` or `{"base64":"…"}`, and nothing else. */
function inputOf({ text, number }: BodyLine): string | Buffer {
  const line = parsed(text, number);
  const names = typeof line === 'object' && line !== null && !Array.isArray(line) ? Object.keys(line) : [];
  const { data, base64 } = (line ?? {}) as { data?: unknown; base64?: unknown };
  if (names.length === 1 && typeof data === 'string') {
    // What is only half of a pair stands for no bytes.
    if (!HALF.test(data)) return data;
    throw bad(number, '`data` holds half a character; send bytes as `{"base64":"…"}`');
  }
  if (names.length === 1 && typeof base64 === 'string') return bytesOf(base64, number);
  const wrong = names.find((name) => name !== 'data' && name !== 'base64');
  if (wrong !== undefined) throw bad(number, `unknown field \`${wrong.slice(0, 64)}\`; ${EXPECTED}`);
  if (names.length === 1) throw bad(number, `\`${names[0]}\` must be a string`);
  throw bad(number, names.length === 2 ? '`data` and `base64` are both there; one of them is enough' : EXPECTED);
}

const HALF = /\p{Surrogate}/u;
const EXPECTED = 'input is `{"data":"text"}` or `{"base64":"…"}`';

/** What is no base64 is skipped by the decoder: it shows by how many bytes come out. */
function bytesOf(base64: string, number: number): Buffer {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  const bytes = Buffer.from(base64, 'base64');
  if (base64.length % 4 === 0 && bytes.length === (base64.length / 4) * 3 - padding) return bytes;
  throw bad(number, '`base64` is no base64 (RFC 4648, 4), or lacks its `=` at the end');
}

/** A line of JSON; throws `ERR_INPUT`, which names it. */
export function parsed(text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser shows a piece of the text, which may be secret.
    throw new KeylaneError('ERR_INPUT', `line ${number}: it is not JSON`, { cause });
  }
}

function bad(number: number, says: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', `line ${number}: ${says}`);
}
