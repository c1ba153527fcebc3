/** Whether a value of the field is fine, for the fields that nearly all requests are made of. */
export type Fine = Readonly<Record<string, (value: unknown) => boolean>>;

/** A copy of an object all whose fields are fine; undefined for any other, which a schema has to read. */
export function plainOf(input: unknown, fine: Fine): Record<string, unknown> | undefined {
  if (typeof input !== 'object' || input === null || Object.getPrototypeOf(input) !== Object.prototype)
    return undefined;
  const request: Record<string, unknown> = {};
  for (const field in input) {
    const value = (input as Record<string, unknown>)[field];
    if (!Object.hasOwn(fine, field) || !fine[field]?.(value)) return undefined;
    request[field] = value;
  }
  return request;
}

/** Is it a text in which the function finds no problem? */
export function textWithout(problem: (value: string) => string | undefined): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && problem(value) === undefined;
}
