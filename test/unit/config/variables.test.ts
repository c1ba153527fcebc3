import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.js';

const load = (env: Record<string, string>) =>
  loadConfig({ file: 'none', env: { HOME: '/nowhere', ...env }, cwd: '/work' });

const problem = (env: Record<string, string>) =>
  load(env).then(
    () => 'it was taken',
    (error: Error) => error.message,
  );

test('a variable names an option by its words, and what is within by two underscores', async () => {
  const { engine, groups } = await load({
    KEYLANE_SHARDS: '3',
    KEYLANE_LIMITS__CONNECTIONS_PER_LANE: '4',
    KEYLANE_LIMITS__BREAKER__OPEN_MS: '5',
    KEYLANE_LIMITS__GROUPS__DB: '6',
    KEYLANE_SSH__MAX_OUTPUT_BYTES: '7',
    KEYLANE_GROUPS__WEB__HOSTS: 'web-[01-20],web-x',
    KEYLANE_GROUPS__WEB__SSH__USER: 'deploy',
  });
  expect(engine).toEqual({
    shards: 3,
    limits: { connectionsPerLane: 4, breaker: { openMs: 5 }, groups: { db: 6 } },
    ssh: { maxOutputBytes: 7 },
  });
  expect(groups).toEqual({ web: { hosts: 'web-[01-20],web-x', ssh: { user: 'deploy' } } });
});

test('what the option takes says what a variable stands for', async () => {
  const { engine } = await load({
    KEYLANE_SSH__USER: '007',
    KEYLANE_SSH__HOST_KEY_ALIAS: '123',
    KEYLANE_SSH__CONFIG: 'true',
    KEYLANE_SSH__FORWARD_AGENT: '/run/agent',
    KEYLANE_SSH__IDENTITY: '["/a","b"]',
    KEYLANE_SSH__JUMP: 'one,two@three:22',
    KEYLANE_LIMITS: '{"idleMs": 5}',
    KEYLANE_LIMITS__LEAK_MS: '2000',
    KEYLANE_MOVE_KEYS: 'true',
  });
  expect(engine).toEqual({
    ssh: {
      user: '007',
      hostKeyAlias: '123',
      config: true,
      forwardAgent: '/run/agent',
      identity: ['/a', '/work/b'],
      jump: 'one,two@three:22',
    },
    limits: { idleMs: 5, leakMs: 2_000 },
    moveKeys: true,
  });
});

test('an empty variable says nothing, and those of a program for itself are left alone', async () => {
  const { engine } = await load({
    KEYLANE_SHARDS: '',
    KEYLANE_DB_PASSWORD: 'canary',
    KEYLANE_LONG: '1',
    KEYLANE_: 'x',
    KEYLANE_CONFIG: '',
    KEYLANES: '1',
    keylane_shards: '9',
  });
  expect(engine).toEqual({});
});

test.each([
  ['KEYLANE_SHARD', '4', 'no option has this name; did you mean KEYLANE_SHARDS?'],
  [
    'KEYLANE_LIMITS__CONECTIONS_PER_LANE',
    '4',
    'no option has this name; did you mean KEYLANE_LIMITS__CONNECTIONS_PER_LANE?',
  ],
  ['KEYLANE_LIMIT__IDLE_MS', '4', 'no option has this name; did you mean KEYLANE_LIMITS?'],
  ['KEYLANE_FOO__BAR', '4', 'no option has this name'],
  ['KEYLANE_SHARDS__X', '4', 'no option has this name'],
  ['KEYLANE_LIMITS__', '4', 'no option has this name'],
  ['KEYLANE_LIMITS__GROUPS__', '4', 'no option has this name'],
  ['KEYLANE_ON_EVENT__X', '4', 'no option has this name'],
  ['KEYLANE_SHARDS', 'many', 'shards: expected a number; got "many"'],
  ['KEYLANE_LIMITS__IDLE_MS', '30s', 'limits.idleMs: expected a number; got "30s"; write 30000'],
  ['KEYLANE_SHARDS', '1e9', 'shards: expected at most 256; got 1000000000'],
  ['KEYLANE_SHARDS', 'null', 'shards: expected a number; got "null"'],
  ['KEYLANE_SHARDS', '[1]', 'shards: expected a number; got an array of 1'],
  ['KEYLANE_MOVE_KEYS', 'yes', 'moveKeys: expected a boolean; got "yes"'],
  ['KEYLANE_LIMITS', '{"idelMs": 5}', 'limits.idelMs: unknown field; did you mean `idleMs`?'],
  ['KEYLANE_LIMITS', '{"__proto__": {"idleMs": 5}}', 'limits.__proto__: unknown field'],
  ['KEYLANE_SSH__PASSWORD', 'canary-9', 'ssh.password: expected a reference'],
  ['KEYLANE_SSH__PASSWORD', '["canary-9"]', 'ssh.password: expected a string'],
  ['KEYLANE_SSH__HOST_KEYS', 'never', "ssh.hostKeys: expected one of 'strict'"],
])('%s=%s is refused by name', async (name, text, says) => {
  const told = await problem({ [name]: text });
  expect(told).toContain(`${name}: ${says}`);
  expect(told).not.toContain('canary');
});

test('a variable may name a prototype without harm', async () => {
  await problem({ KEYLANE_GROUPS____PROTO__: '{"limit": 1}', KEYLANE_LIMITS__GROUPS____PROTO__: '1' });
  expect(({} as { limit?: number }).limit).toBeUndefined();
});
