import type { IncomingMessage } from 'node:http';
import { KeylaneError } from '../errors.js';
import { Pieces } from '../util/pieces.js';
import type { Exchange } from './exchange.js';
import { errorOfAnswer, isObject } from './problem.js';

/** Of what is no answer to a request: an error's text. */
const MOST_PROBLEM_BYTES = 1024 * 1024;

/** The body of an answer 2xx that is to be JSON; throws the error of any other. No more than `mostBytes` of it are kept. */
export async function jsonOf(exchange: Exchange, answer: IncomingMessage, mostBytes: number): Promise<unknown> {
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 299) throw await refusalOf(exchange, answer);
  const text = await textOf(exchange, answer, mostBytes);
  if (text === '' && status === 204) return undefined;
  const isJson = isJsonType(answer.headers['content-type']);
  const body = isJson ? parsed(text) : undefined;
  if (body !== undefined) return body;
  const what = isJson ? 'what is not JSON' : `\`${answer.headers['content-type'] ?? 'no content-type'}\``;
  throw broken(exchange, `the service answers with ${what}: ${sample(text)}`);
}

/** What the service, or somebody on the way, says of a request that it did not do. */
export async function refusalOf(exchange: Exchange, answer: IncomingMessage): Promise<KeylaneError> {
  const status = answer.statusCode ?? 0;
  const text = await textOf(exchange, answer, MOST_PROBLEM_BYTES);
  const body = isJsonType(answer.headers['content-type']) ? parsed(text) : undefined;
  return errorOfAnswer(status, answer.headers['retry-after'], isObject(body) ? body : undefined, text);
}

/** That the service broke its own protocol says of the request what is known of it without an answer. */
export function broken(exchange: Exchange, says: string): KeylaneError {
  return exchange.inTheLight(new KeylaneError('ERR_PROTOCOL', says));
}

export function sample(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

function isJsonType(type: string | undefined): boolean {
  return type !== undefined && /^application\/(?:[\w.+-]+\+)?json\b/i.test(type);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** By events: an iteration over an answer costs more than all else of a small one. */
function textOf(exchange: Exchange, answer: IncomingMessage, mostBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces = new Pieces();
    answer.on('data', (piece: Buffer) => {
      if (pieces.bytes + piece.length <= mostBytes) {
        pieces.add(piece);
        return;
      }
      const error = broken(exchange, `the answer is longer than ${mostBytes} bytes`);
      exchange.cut(error);
      reject(error);
    });
    answer.once('end', () => resolve(pieces.take().toString()));
    // A connection that is lost within a body is an error in some versions of Node, and a close without an end in all.
    answer.once('close', () => {
      if (!answer.readableEnded) reject(exchange.errorOf(undefined));
    });
    answer.once('error', (cause: Error) => reject(exchange.errorOf(cause)));
  });
}
