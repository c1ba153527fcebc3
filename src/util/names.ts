/**
 * What a host, a user or another name may be made of: letters, marks and digits of any script, and the few signs of ASCII
 * that mean nothing anywhere. Names end up in messages, file names, known_hosts lines, URIs and, with other transports, on
 * the command lines of shells. OpenSSH refuses less (valid_hostname, valid_ruser in ssh.c, after CVE-2023-51385), because
 * it must take what it has always taken: `*` as a name would be a pattern in known_hosts, `a,b` two of them, `~` a folder.
 */
const UNFIT = /[^\p{L}\p{M}\p{N}._+=-]/u;

/** What is wrong with the name of a user. An @ within is fine: that is how a directory's users are called. */
export function userProblem(value: string): string | undefined {
  if (/^@|@$/.test(value)) return 'a user name must neither begin nor end with @';
  return nameProblem(value, 'a user name', '@');
}

/** What is wrong with a name; `beside` are further signs that it may hold. */
export function nameProblem(value: string, noun: string, beside = ''): string | undefined {
  if (value === '') return `expected ${noun}, not an empty string`;
  if (value.length > 255) return `expected ${noun} of at most 255 characters`;
  if (value.startsWith('-')) return `${noun} must not begin with -, where it could be taken for an option`;
  if (!UNFIT.test(value)) return undefined;
  const sign = [...value].find((one) => UNFIT.test(one) && !beside.includes(one));
  if (sign === undefined) return undefined;
  // In a message nothing can be seen of white space, control characters and half a pair.
  const shown = /[\p{P}\p{S}]/u.test(sign)
    ? sign
    : `U+${sign.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`;
  return `${noun} may hold letters, digits, . _ - + =${beside && ` ${[...beside].join(' ')}`} only, no white space and not ${shown}`;
}
