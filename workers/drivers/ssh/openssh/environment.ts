import { secretNames } from '../secret-names.js';

/**
 * The environment of a child: ours, without the variables that references led to so far (those of other requests, too),
 * and without any that has one of the secrets: everybody with our user id, and every command that `ssh` starts, could
 * read them there. A variable that no request has named yet cannot be told from others.
 */
export function childEnvironment(
  secrets: readonly string[],
  more: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => name !== 'SSH_ASKPASS' && !secretNames.has(name) && !(value && secrets.includes(value)),
  );
  return { ...Object.fromEntries(kept), SSH_ASKPASS_REQUIRE: 'never', ...more };
}
