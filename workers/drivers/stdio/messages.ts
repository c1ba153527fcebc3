import type { StdioResponse } from '../../../src/stdio-types.js';

/** What JSON-RPC 2.0 says of a message, of which nothing is certain. */
export interface Message {
  id?: unknown;
  method?: unknown;
  params?: unknown;
  result?: unknown;
  error?: unknown;
}

const LONGEST_ID = 1_024;

/** A request's id as one that can be looked up: 1 and "1" are two. Undefined: no id that one could answer to. */
export type PeerId = string;

export function idOf(id: unknown): PeerId | undefined {
  // Kept, and said again, for as many as a server likes to ask.
  if (typeof id === 'string' && id.length > LONGEST_ID) return undefined;
  return typeof id === 'string' || typeof id === 'number' ? JSON.stringify(id) : undefined;
}

/** Undefined where the text is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `params` is JSON already. */
export function requestText(id: number | undefined, method: string, params: string | undefined): string {
  const head = id === undefined ? '{"jsonrpc":"2.0"' : `{"jsonrpc":"2.0","id":${id}`;
  const tail = params === undefined ? '}' : `,"params":${params}}`;
  return `${head},"method":${JSON.stringify(method)}${tail}`;
}

export function resultText(id: unknown, result: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result: result ?? null });
}

export function errorText(id: unknown, code: number, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } });
}

/** There is no such method, or nobody here who knows it. (JSON-RPC 2.0, 5.1) */
export const METHOD_NOT_FOUND = -32_601;
export const INTERNAL_ERROR = -32_603;

const LONGEST_ERROR = 1_024;

/** Undefined where it is neither a result nor an error. An error of another shape than it should have is one all the same. */
export function responseOf(message: Message): StdioResponse | undefined {
  const { error } = message;
  if (error === undefined || error === null) return 'result' in message ? { result: message.result } : undefined;
  if (isMessage(error)) {
    const { code, message: text, data } = error as { code?: unknown; message?: unknown; data?: unknown };
    if (typeof code === 'number' && typeof text === 'string')
      return { error: data === undefined ? { code, message: text } : { code, message: text, data } };
  }
  return { error: { code: INTERNAL_ERROR, message: JSON.stringify(error).slice(0, LONGEST_ERROR) } };
}

/** The same with another progress token. */
export function withToken(params: string, token: number): string {
  const value = JSON.parse(params) as { _meta?: object };
  return JSON.stringify({ ...value, _meta: { ...value._meta, progressToken: token } });
}
