import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';
import { Identities, isMissing, lacksPassphrase } from '../identity.js';

/**
 * What is wrong with the only identity that was asked for, where the host refused the log-in: `ssh` leaves out a key that
 * it cannot use, and says only that it was refused. Undefined where the file is not why.
 */
export async function problemOfSoleIdentity(target: SshTarget): Promise<KeylaneError | undefined> {
  const { identities = [], passphrase, agent } = target;
  const [path] = identities;
  // An agent may have had it.
  if (path === undefined || identities.length > 1 || agent !== undefined) return undefined;
  try {
    const { file } = await new Identities().look(path);
    return file.holds === 'encrypted' && passphrase === undefined ? lacksPassphrase(path) : undefined;
  } catch (error) {
    // What our own reader cannot make out, `ssh` can, as a key on a token.
    return error instanceof KeylaneError && isMissing(error) ? error : undefined;
  }
}
