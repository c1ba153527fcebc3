import { randomUUID } from 'node:crypto';

/** A word that nothing else in the world has, to be looked for where no secret may be. */
export function canary(): string {
  return `Canary${randomUUID().replaceAll('-', '')}`;
}

/** Which of the secrets are in which of the texts, in whatever form. */
export function foundIn(secrets: Readonly<Record<string, string>>, texts: Readonly<Record<string, string>>): string[] {
  return Object.entries(texts).flatMap(([where, text]) => {
    const lower = text.toLowerCase();
    return Object.entries(secrets)
      .filter(([, secret]) => formsOf(secret).some((form) => text.includes(form) || lower.includes(form)))
      .map(([name]) => `${name} in ${where}`);
  });
}

/** Every form that a log, a dump or a file could have it in. */
export function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  // Base64 depends on how many bytes are before it; those at the edges on what is around it.
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    return text.slice(before === 0 ? 0 : 4, -2);
  });
  return [secret, hex, hex.replace(/../g, '$& ').trim(), [...bytes].join(','), ...base64];
}
