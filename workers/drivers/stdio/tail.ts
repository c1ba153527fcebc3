/** The last bytes of what somebody wrote, however much that was. */
export class Tail {
  readonly #most: number;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #isCut = false;

  constructor(most: number) {
    this.#most = most;
  }

  push(bytes: Buffer): void {
    if (bytes.length >= this.#most) {
      // A copy: what comes is a part of a larger buffer.
      this.#isCut ||= this.#bytes > 0 || bytes.length > this.#most;
      this.#pieces = [Buffer.from(bytes.subarray(bytes.length - this.#most))];
      this.#bytes = this.#most;
      return;
    }
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    // All at once and seldom, so that it costs little however it is cut.
    if (this.#bytes > 2 * this.#most || this.#pieces.length > 256) this.#trim();
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#isCut = false;
  }

  /** With `***` for each of the secrets, and for a part of one at either end. */
  text(secrets: readonly string[]): string {
    this.#trim();
    return masked(Buffer.concat(this.#pieces).toString(), secrets, this.#isCut);
  }

  #trim(): void {
    const whole = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
    this.#isCut ||= whole.length > this.#most;
    const kept = whole.length > this.#most ? Buffer.from(whole.subarray(whole.length - this.#most)) : whole;
    this.#pieces = kept.length > 0 ? [kept] : [];
    this.#bytes = kept.length;
  }
}

/** So many characters of a secret tell something of it. */
const TELLING = 4;
const MASK = '***';

/** `isCut`: the text begins in the middle of something. */
function masked(text: string, secrets: readonly string[], isCut: boolean): string {
  // The longest first: one may be a part of another.
  const sorted = secrets.filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  let clean = text;
  for (const secret of sorted) clean = clean.replaceAll(secret, MASK);
  for (const secret of sorted) {
    for (let length = secret.length - 1; length >= TELLING; length--) {
      if (clean.endsWith(secret.slice(0, length))) clean = clean.slice(0, -length) + MASK;
      if (isCut && clean.startsWith(secret.slice(-length))) clean = MASK + clean.slice(length);
    }
  }
  return clean;
}
