import { OWN_DRIVERS, ownDriver } from './own-drivers.js';

/** The names of keylane's own drivers. */
export const OWN_DRIVER_NAMES: readonly string[] = Object.keys(OWN_DRIVERS);

/**
 * What is wrong with a request as it stands, before anything is looked up for it; undefined where nothing is known to be.
 * Of drivers that are not keylane's own nothing is known.
 */
export function requestProblem(driver: string, request: unknown): string | undefined {
  const own = ownDriver(driver);
  if (!own) return undefined;
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return '`request` must be an object';
  return own.problem(request as Record<string, unknown>);
}

/** The names of the fields of a driver's requests; undefined where they are not known. */
export function requestFields(driver: string): readonly string[] | undefined {
  return ownDriver(driver)?.fields;
}

/** What a cell may write as JSON; `unknown` takes all that there is. */
const OF_JSON: ReadonlySet<string> = new Set(['array', 'object', 'record', 'unknown']);

/** What the text of a cell means as the value of a field; the text itself where the field takes no such thing. */
export function requestCell(driver: string, field: string, text: string): unknown {
  const takes = ownDriver(driver)?.takes(field);
  if (!takes) return text;
  if (takes.includes('number') && /^(-?(0|[1-9]\d*)(\.\d+)?|0o[0-7]+)$/.test(text)) return Number(text);
  if (takes.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (/^[[{]/.test(text) && takes.some((kind) => OF_JSON.has(kind))) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}
