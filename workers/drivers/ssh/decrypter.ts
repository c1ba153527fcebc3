import { Worker } from 'node:worker_threads';
import type { ParsedKey } from 'ssh2';
import { keyOfPlain, type Plain, whyTooSlow } from './key-file.js';

/**
 * Writes a key anew without its encryption. As text, so that it needs no file of ours beside it: what is thrown at a
 * damaged file ends here, as a message.
 */
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads');
function plainOf({ text, passphrase }) {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----/m.test(text)) {
    const key = require('node:crypto').createPrivateKey({ key: text.trim(), passphrase });
    return key.export({ type: 'pkcs8', format: 'pem' });
  }
  const found = require('node:module').createRequire(workerData)('ssh2').utils.parseKey(text, passphrase);
  const key = Array.isArray(found) ? found[0] : found;
  if (key instanceof Error) throw key;
  return key.getPrivatePEM();
}
parentPort.once('message', (encrypted) => {
  try {
    parentPort.postMessage({ pem: plainOf(encrypted) });
  } catch (error) {
    parentPort.postMessage({ why: String(error && error.message) });
  }
});`;

/**
 * Decrypts keys beside the shard's thread, which has all its other hosts to serve: bcrypt is counted in JavaScript, for
 * half a second with the 16 rounds that ssh-keygen makes. Each key has a thread of its own, for as long as it takes, and
 * they go one after the other: a crowd of cold keys takes one core.
 */
export class Decrypter {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * The private key of an encrypted file; `wrong` where the passphrase is not its own, or else why it cannot be read.
   * Rejects where there is no thread to be had.
   */
  async decrypt(text: string, passphrase: string): Promise<ParsedKey | 'wrong' | Error> {
    const tooSlow = whyTooSlow(text);
    if (tooSlow) return tooSlow;
    const turn = this.#last.then(() => plainOf(text, passphrase));
    this.#last = turn.catch(() => undefined);
    const plain = await turn;
    if (plain.pem !== undefined) return keyOfPlain(plain.pem);
    if (/unsupported|not supported/i.test(plain.why)) return new Error(plain.why);
    // Anything else comes of bytes that the wrong passphrase made.
    return 'wrong';
  }
}

function plainOf(text: string, passphrase: string): Promise<Plain> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(SCRIPT, {
      eval: true,
      workerData: import.meta.url,
      env: {},
      execArgv: [],
      // It writes nowhere.
      stdout: true,
      stderr: true,
    });
    worker.once('message', resolve);
    // Not as `workerData`: NODE_DEBUG=worker prints that.
    worker.postMessage({ text, passphrase });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that was to decrypt it has ended')));
  });
}
