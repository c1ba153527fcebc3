/** Variables that references of this thread's requests have led to so far: they hold secrets. */
export const secretNames: ReadonlySet<string> = new Set<string>();

/** Remembers which variable a reference leads to; `file:` leads to none. */
export function noteReference(reference: string | undefined): void {
  if (reference?.startsWith('env:')) (secretNames as Set<string>).add(reference.slice('env:'.length));
}
