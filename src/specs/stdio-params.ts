import { KeylaneError } from '../errors.js';
import { pathOf } from '../util/check.js';

/** Deeper than any honest message; what reads it may well go down a level a call. */
const DEEPEST = 512;
const STEPS_TOLD = 8;

/**
 * Params as the text that the server gets, so that nothing but JSON crosses the wall, and nothing of it is lost on the way
 * without a word. Throws `ERR_INPUT`, which says where, for what JSON cannot carry, and `ERR_TOO_LARGE` past `most` bytes.
 */
export function paramsText(params: object, most: number): string {
  const problem = problemIn(params, 0);
  if (problem) {
    const path = problem.path.length > STEPS_TOLD ? [...problem.path.slice(0, STEPS_TOLD), '…'] : problem.path;
    throw new KeylaneError('ERR_INPUT', `${pathOf('stdio.params', path)}: ${problem.says}`);
  }
  const text = JSON.stringify(params);
  // A UTF-16 unit is three bytes at most: most texts need not be counted.
  if (text.length * 3 <= most) return text;
  const bytes = Buffer.byteLength(text);
  if (bytes <= most) return text;
  const fix = 'send less, or raise `maxMessageBytes` of the server';
  throw new KeylaneError('ERR_TOO_LARGE', `stdio.params: ${bytes} bytes of JSON; at most ${most} are sent: ${fix}`);
}

/** Of JSON, the same text whatever the order of its fields. */
export function sortedText(json: string): string {
  return JSON.stringify(JSON.parse(json), (_, value) => (isRecord(value) ? sorted(value) : value));
}

function sorted(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Problem {
  path: PropertyKey[];
  says: string;
}

function problemIn(value: unknown, depth: number): Problem | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : wrong(`JSON cannot carry ${value}`);
    case 'object':
      return value === null ? undefined : problemInObject(value, depth);
    default:
      return wrong(`JSON cannot carry a value that is ${value === undefined ? 'undefined' : `a ${typeof value}`}`);
  }
}

function problemInObject(value: object, depth: number): Problem | undefined {
  if (depth === DEEPEST) return wrong(`a cycle, or more than ${DEEPEST} levels`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = problemIn(value[i], depth + 1);
      if (problem) return within(i, problem);
    }
    return undefined;
  }
  const proto: unknown = Object.getPrototypeOf(value);
  // Of another realm (`vm`) too: above a plain object's own there is nothing.
  if (proto !== null && Object.getPrototypeOf(proto) !== null)
    return wrong(`expected plain values; got a ${value.constructor?.name || 'class'}, which must be written as one`);
  for (const name of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[name];
    // As JSON has it: a member without a value is not there.
    if (member === undefined) continue;
    const problem = problemIn(member, depth + 1);
    if (problem) return within(name, problem);
  }
  return undefined;
}

function wrong(says: string): Problem {
  return { path: [], says };
}

function within(step: PropertyKey, problem: Problem): Problem {
  problem.path.unshift(step);
  return problem;
}
