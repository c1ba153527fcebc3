import { KeylaneError } from '../errors.js';

/** Deeper than any request; a cycle ends here. */
const DEEPEST = 100;

/**
 * A request as JSON that the service reads back as the same. Bytes that `ssh`, `smtp` and `http` send go as base64. Throws
 * `ERR_INPUT` that names the field for what JSON has no words for: it would arrive as something else, or not at all.
 */
export function requestJson(driver: string, request: unknown): string {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw new KeylaneError('ERR_INPUT', `the request must be an object, not ${kindOf(request)}`);
  const isSsh = driver === 'ssh';
  const bytesAt = Object.hasOwn(BYTES_AT, driver) ? BYTES_AT[driver] : undefined;
  if (bytesAt) return JSON.stringify(carried(request, bytesAt));
  let asked = request as Record<string, unknown>;
  for (const name in asked) {
    const value = asked[name];
    // As in the library: what is undefined is not said.
    if (value === undefined || typeof value === 'string') continue;
    if (isSsh && name === 'stdin' && value instanceof Uint8Array)
      asked = { ...asked, stdin: { base64: base64(value) } };
    else check(value, name, 1, isSsh);
  }
  return JSON.stringify(asked);
}

/** Of a driver, where a request may hold bytes, at whatever depth. */
const BYTES_AT: Readonly<Record<string, RegExp>> = {
  smtp: /^(raw|attachments\[\d+\]\.content)$/,
  http: /^body$/,
};

/** The request with these bytes as base64; what is undefined is not said. */
function carried(request: object, bytesAt: RegExp): unknown {
  const walk = (value: unknown, path: string, depth: number): unknown => {
    if (value instanceof Uint8Array && bytesAt.test(path)) return { base64: base64(value) };
    if (depth < DEEPEST && Array.isArray(value))
      return value.map((member, at) => walk(member, `${path}[${at}]`, depth + 1));
    if (depth === DEEPEST || !isPlain(value)) {
      if (value !== undefined) check(value, path, depth, true);
      return value;
    }
    const before = path === '' ? '' : `${path}.`;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, walk(member, before + name, depth + 1)]),
    );
  };
  return walk(request, '', 0);
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** `mayLack`: a member that is undefined is not said, instead of lost. */
function check(value: unknown, path: string, depth: number, mayLack: boolean): void {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null || Number.isFinite(value)) return;
  if (typeof value !== 'object' || depth > DEEPEST) throw unsayable(path, depth > DEEPEST ? 'deeper' : kindOf(value));
  if (Array.isArray(value)) {
    // By index: `forEach` would pass over holes.
    for (let at = 0; at < value.length; at++) check(value[at], `${path}[${at}]`, depth + 1, mayLack);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw unsayable(path, kindOf(value));
  for (const [name, member] of Object.entries(value))
    if (member !== undefined || !mayLack) check(member, `${path}.${name}`, depth + 1, mayLack);
}

function unsayable(path: string, what: string): KeylaneError {
  const says = `JSON carries text, finite numbers, true, false, null, arrays and plain objects, ${DEEPEST} deep at most`;
  const fix = what === 'bytes' ? ': send bytes as text, as base64 for one' : '';
  return new KeylaneError('ERR_INPUT', `\`${path}\` cannot go over HTTP: it is ${what}; ${says}${fix}`);
}

function kindOf(value: unknown): string {
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) {
    const { constructor: kind } = value as { constructor?: unknown };
    return typeof kind === 'function' && kind !== Object ? `a ${kind.name}` : 'an object';
  }
  if (typeof value === 'number' || value === undefined || value === null) return String(value);
  return `a ${typeof value}`;
}
