/** What `ssh` asks for, as far as we have an answer. */
export type Prompt =
  | { asks: 'passphrase'; path: string }
  | { asks: 'password'; by: 'password' | 'keyboard-interactive' }
  | { asks: 'host key'; name: string; type: string; fingerprint: string };

/** Whom the questions have to be about: `host` is what `ssh` calls it, `name` what known_hosts does. */
export interface About {
  user: string;
  host: string;
  name: string;
  identities: readonly string[];
}

const PASSPHRASE = /^Enter passphrase for key '(.*)': $/s;
/** Bytes of a path that `ssh` shows. */
const LONGEST_PATH = 100;
/** By PAM and its like. No other word: a `One-time password` is another secret, and so is a `New password`. */
const BY_SERVER = /^(?:[\w.@-]+'s )?password(?: for [\w.@-]+)?: ?$/i;
const HOST_KEY = /^The authenticity of host '(\S+) \([^\n]*\)' can't be established[.:\n]/;
const FINGERPRINT = /^(\S+) key fingerprint is:? (SHA256:[\w+/]+)\.?$/m;
const QUESTION = /\(yes\/no\/\[fingerprint\]\)\? $/;

/**
 * Reads a prompt, whole and exactly: undefined is one that was not made by `ssh` for this host, user and identities. What
 * a server makes up comes after `(user@host) ` (OpenSSH 8.5 and later), so it passes for nothing else.
 */
export function readPrompt(text: string, about: About): Prompt | undefined {
  const { user, host, name, identities } = about;
  const [, path] = PASSPHRASE.exec(text) ?? [];
  if (path !== undefined) {
    const meant = identities.find((identity) => path === identity || path === shown(identity));
    return meant === undefined ? undefined : { asks: 'passphrase', path: meant };
  }
  const accounts = [`${user}@${host}`, `${user.slice(0, 30)}@${host.slice(0, 128)}`];
  if (accounts.some((account) => text === `${account}'s password: `)) return { asks: 'password', by: 'password' };
  const prefix = `(${user}@${host}) `;
  if (text.startsWith(prefix)) {
    return BY_SERVER.test(text.slice(prefix.length)) ? { asks: 'password', by: 'keyboard-interactive' } : undefined;
  }
  const [, asked] = HOST_KEY.exec(text) ?? [];
  const [, kind = '', fingerprint] = FINGERPRINT.exec(text) ?? [];
  if (asked !== name.slice(0, 200) || fingerprint === undefined || !QUESTION.test(text)) return undefined;
  return { asks: 'host key', name, type: TYPES[kind] ?? kind.toLowerCase(), fingerprint };
}

/** As `ssh` calls them in questions. It does not tell the curve of an ECDSA key there. */
const TYPES: Readonly<Record<string, string>> = {
  ED25519: 'ssh-ed25519',
  RSA: 'ssh-rsa',
  DSA: 'ssh-dss',
  'ED25519-SK': 'sk-ssh-ed25519@openssh.com',
  'ECDSA-SK': 'sk-ecdsa-sha2-nistp256@openssh.com',
};

function shown(path: string): string {
  return Buffer.from(path).subarray(0, LONGEST_PATH).toString('utf8');
}
