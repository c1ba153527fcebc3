import type { EngineStream, KeylaneError } from '../index.js';
import { type BodyLine, type BodyLines, lineError } from './body-lines.js';
import { parseJson } from './json.js';

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
function inputOf(whole: BodyLine): string | Buffer {
  const { number } = whole;
  const line = parsed(whole);
  const names = typeof line === 'object' && line !== null && !Array.isArray(line) ? Object.keys(line) : [];
  const { data, base64 } = (line ?? {}) as { data?: unknown; base64?: unknown };
  if (names.length === 1 && typeof data === 'string') {
    // What is only half of a pair stands for no bytes.
    if (!HALF.test(data)) return data;
    throw lineError(number, '`data` holds half a character; send bytes as `{"base64":"…"}`');
  }
  if (names.length === 1 && typeof base64 === 'string') return bytesOf(base64, number);
  const wrong = names.find((name) => name !== 'data' && name !== 'base64');
  if (wrong !== undefined) throw lineError(number, `unknown field \`${wrong.slice(0, 64)}\`; ${EXPECTED}`);
  if (names.length === 1) throw lineError(number, `\`${names[0]}\` must be a string`);
  throw lineError(number, names.length === 2 ? '`data` and `base64` are both there; one of them is enough' : EXPECTED);
}

const HALF = /\p{Surrogate}/u;
const EXPECTED = 'input is `{"data":"text"}` or `{"base64":"…"}`';

/** What is no base64 is skipped by the decoder: it shows by how many bytes come out. */
function bytesOf(base64: string, number: number): Buffer {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  const bytes = Buffer.from(base64, 'base64');
  if (base64.length % 4 === 0 && bytes.length === (base64.length / 4) * 3 - padding) return bytes;
  throw lineError(number, '`base64` is no base64 (RFC 4648, 4), or lacks its `=` at the end');
}

/** A line of JSON; throws `ERR_INPUT`, which names it. */
export function parsed({ text, number }: BodyLine): unknown {
  return parseJson(text, `line ${number}`);
}
