/**
 * The environment of a child: ours, without the variables that the references lead to, and without any that has one of
 * the secrets: everybody with our user id, and every command that `ssh` starts, could read them there.
 */
export function childEnvironment(
  references: readonly string[],
  secrets: readonly string[],
  more: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv {
  const named = references.filter((reference) => reference.startsWith('env:')).map((reference) => reference.slice(4));
  const kept = Object.entries(process.env).filter(
    ([name, value]) => name !== 'SSH_ASKPASS' && !named.includes(name) && !(value && secrets.includes(value)),
  );
  return { ...Object.fromEntries(kept), SSH_ASKPASS_REQUIRE: 'never', ...more };
}
