/**
 * Whether a refused channel means that the server's sessions (MaxSessions) are used up, or only that it has not yet put
 * away the ones that we closed.
 *
 * sshd takes in all packets that it has read, and only then frees closed channels. A close and an open in one write, which
 * is what a busy connection sends all day, therefore meet a server that still counts the closed one. But sshd frees before
 * it answers: once an open was answered, every close that was sent before that open is done.
 */
export class Slots {
  #closes = 0;
  #done = 0;

  /** We sent CHANNEL_CLOSE. */
  closed(): void {
    this.#closes++;
  }

  /** A mark for an open that is sent now. */
  mark(): number {
    return this.#closes;
  }

  /** The open with this mark was answered. */
  answered(mark: number): void {
    if (mark > this.#done) this.#done = mark;
  }

  /** True if every close so far is done: an open that is sent now and refused is refused for good. */
  get certain(): boolean {
    return this.#done === this.#closes;
  }
}
