import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Would ssh2 find its native binding in this process? It looks for the same file, and does without if it does not load. */
export function hasNativeBinding(): boolean {
  try {
    createRequire(import.meta.url)('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
    return true;
  } catch {
    return false;
  }
}

/** Arguments of Node that hide the binding in a process, its threads and what it forks. */
export const WITHOUT_NATIVE: readonly string[] = [
  '--import',
  fileURLToPath(new URL('./no-native.js', import.meta.url)),
];
