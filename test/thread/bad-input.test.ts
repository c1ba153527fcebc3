import { createEngine, type Engine, type EngineOptions } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure } from '../support/engine.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ shards: 1 });
});
afterAll(() => engine.close());

const untyped = (driver: string, request: unknown, options?: unknown) =>
  engine.run(driver as 'echo', request as { key: string }, options as object);

test.each<[string, () => Promise<unknown>, string]>([
  ['a driver that is not there', () => untyped('ftp', {}), 'unknown driver `ftp`: this engine has echo, ssh'],
  ['a driver named as what every object has', () => untyped('constructor', {}), 'unknown driver `constructor`'],
  ['no request', () => untyped('echo', undefined), 'must be an object'],
  ['a field that is not there', () => untyped('echo', { key: 'a', kye: 1 }), 'unknown field `kye`'],
  ['an empty key', () => untyped('echo', { key: '' }), '`key`'],
  ['an absurd number', () => untyped('echo', { key: 'a', delayMs: Number.NaN }), '`delayMs`'],
  ['an option that is not there', () => untyped('echo', { key: 'a' }, { timeout: 5 }), 'unknown option `timeout`'],
  ['an option of batch', () => untyped('echo', { key: 'a' }, { concurrency: 5 }), 'unknown option `concurrency`'],
  ['a negative time-out', () => untyped('echo', { key: 'a' }, { timeoutMs: -1 }), '`timeoutMs` must be'],
  ['a time-out as text', () => untyped('echo', { key: 'a' }, { timeoutMs: '5s' }), '`timeoutMs` must be'],
  ['no attempts', () => untyped('echo', { key: 'a' }, { attempts: 0 }), '`attempts` must be'],
  ['half a priority', () => untyped('echo', { key: 'a' }, { priority: 0.5 }), '`priority` must be'],
  ['a signal of another kind', () => untyped('echo', { key: 'a' }, { signal: {} }), '`signal` must be'],
  ['a payload that cannot be carried', () => untyped('echo', { key: 'a', payload: Symbol('x') }), 'cannot be encoded'],
  ['a list of hosts', () => untyped('ssh', { host: ['a', 'b'], command: 'x' }), 'ssh.host'],
  ['a host that looks like an option', () => untyped('ssh', { host: '-oProxyCommand=x', command: 'x' }), 'ssh.host'],
  ['NUL in a command', () => untyped('ssh', { host: 'a', command: 'x\0y' }), 'ssh.command'],
])('%s is refused as ERR_INPUT, by name', async (_, call, says) => {
  const error = await failure(call());
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(says);
});

test('nothing of what was refused reached the shard', async () => {
  const { inFlight, queued, shards } = await engine.stats();
  expect({ inFlight, queued }).toEqual({ inFlight: 0, queued: 0 });
  expect(shards[0]?.inside).toMatchObject({ opened: 0, lanes: 0, keys: 0, requests: 0 });
});

test('a payload that throws when it is read costs no other request of its turn', async () => {
  const trap = {
    get payload() {
      throw new Error('trapped');
    },
  };
  const calls = [
    engine.run('echo', { key: 'a', payload: 1 }),
    engine.run('echo', { key: 'a', payload: trap }).catch((error: Error) => error.message),
    engine.run('echo', { key: 'b', payload: 2 }),
  ];
  expect(await Promise.all(calls)).toEqual([{ payload: 1 }, 'the request cannot be encoded: trapped', { payload: 2 }]);
});

test('in a batch the bad lines are named, and the others run', async () => {
  const requests = [{ key: 'a' }, { kye: 'b' }, null, { key: 'c', payload: Symbol('x') }, { key: 'd' }];
  const results = [];
  for await (const { index, outcome, error } of engine.batch('echo', requests as { key: string }[])) {
    results[index] = `${outcome} ${error?.code ?? ''}`;
  }
  expect(results).toEqual(['ok ', 'not_started ERR_INPUT', 'not_started ERR_INPUT', 'not_started ERR_INPUT', 'ok ']);
});

test.each<[unknown, string]>([
  [{ shards: 0 }, 'createEngine.shards'],
  [{ shards: 1.5 }, 'createEngine.shards'],
  [{ shard: 2 }, 'did you mean `shards`?'],
  [{ limits: { connectionsPerLane: 0 } }, 'createEngine.limits.connectionsPerLane'],
  [{ limits: { connexions: 1 } }, 'createEngine.limits.connexions: unknown field'],
  [{ shards: 4, limits: { connections: 2 } }, 'createEngine.limits.connections'],
  [{ limits: { groups: { db: 0 } } }, 'createEngine.limits.groups.db'],
  [{ maxInFlight: 5, limits: { groups: { web: 6 } } }, 'createEngine.limits.groups.web'],
  [{ limits: { burstPerKey: 2 } }, 'createEngine.limits.burstPerKey'],
  [{ ssh: { hostKeys: 'maybe' } }, 'createEngine.ssh.hostKeys'],
  [{ closeTimeoutMs: Number.POSITIVE_INFINITY }, 'createEngine.closeTimeoutMs'],
  [{ drivers: 'x.mjs' }, 'createEngine.drivers'],
  [null, 'createEngine'],
])('createEngine(%j) is refused as ERR_CONFIG, by its path', async (options, path) => {
  const error = await failure(createEngine(options as EngineOptions));
  expect(error.code).toBe('ERR_CONFIG');
  expect(error.message).toContain(path);
});
