import type { Result } from '../index.js';
import { counted, grouped } from './figures.js';
import { visible } from './visible.js';

const MOST_NAMED = 10;

/** Recipients that servers refused, of mails that others got: those mails are ok, and their lines alone would tell. */
export class RejectedRecipients {
  #count = 0;
  readonly #named: string[] = [];

  add({ outcome, response }: Result): void {
    if (outcome !== 'ok' || typeof response !== 'object' || response === null) return;
    const { rejected } = response as { rejected?: unknown };
    if (!Array.isArray(rejected)) return;
    for (const one of rejected as { address?: unknown; code?: unknown; message?: unknown }[]) {
      this.#count++;
      if (this.#named.length < MOST_NAMED)
        this.#named.push(visible(`  ${String(one.address)}: ${String(one.code)} ${String(one.message)}`));
    }
  }

  /** Nothing where there are none. */
  text(): string {
    if (this.#count === 0) return '';
    const more = this.#count - this.#named.length;
    const lines = more > 0 ? [...this.#named, `  and ${grouped(more)} more`] : this.#named;
    return `${counted(this.#count, 'recipient')} refused, of mails that were sent to others:\n${lines.join('\n')}\n`;
  }
}
