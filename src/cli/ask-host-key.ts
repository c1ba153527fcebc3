import { createInterface } from 'node:readline/promises';
import type { HostKeyQuestion } from '../index.js';
import type { Io } from './io.js';
import { visible } from './visible.js';

/** True where a person can see a question and answer it. */
export function canAsk(io: Io): boolean {
  return (io.stdin as { isTTY?: boolean }).isTTY === true && io.stderr.isTTY === true;
}

/** Asks as ssh does: `yes`, `no`, or the fingerprint that is expected. The end of input is a no. */
export async function askHostKey({ name, type, fingerprint, file }: HostKeyQuestion, io: Io): Promise<boolean> {
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('no')));
  let question =
    `\nThe host ${visible(name)} is not known. Its ${visible(type)} key is ${fingerprint}.\n` +
    `Trust it, and add it to ${visible(file)} (yes/no/[fingerprint])? `;
  try {
    for (;;) {
      const answer = (await Promise.race([lines.question(question), ended])).trim();
      if (answer.toLowerCase() === 'yes' || answer === fingerprint) return true;
      if (answer.toLowerCase() === 'no') return false;
      question = "Write 'yes', 'no' or the fingerprint: ";
    }
  } finally {
    lines.close();
  }
}
