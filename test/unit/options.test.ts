import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { DEFAULTS, type EngineOptions, resolveOptions } from '../../src/options.ts';

/** Of each option: its path, values at the ends of what it takes, and values that it refuses. */
const NUMBERS: [path: string, right: number[], wrong: unknown[]][] = [
  ['shards', [1, 256], [0, 257]],
  ['maxInFlight', [1, 1_000_000], [0, 1_000_001]],
  ['maxQueued', [0, 10_000_000], [-1, 10_000_001]],
  ['limits.groups.db', [1, 4_000], [0, -1, 1_000_001]],
  ['limits.bytesInFlight', [1, 2 ** 40], [0, -1, 2 ** 40 + 1]],
  ['limits.connections', [256, 257], [0, -1, 10_000_001]],
  ['limits.connectionsPerLane', [1, 10_000], [0, 10_001]],
  ['limits.connectionsPerShard', [1, 1_000_000], [0, 1_000_001]],
  ['limits.opensPerKey', [1, 10_000], [0, 10_001]],
  ['limits.breaker.failures', [1, 1_000], [0, 1_001]],
  ['limits.inFlightPerKey', [1, 1_000_000], [0, 1_000_001]],
  ['limits.shardHeapMb', [0, 32, 1_048_576], [-1, 1, 31, 1_048_577]],
  ['limits.rssMb', [0, 64, 1_048_576], [-1, 1, 63, 1_048_577]],
  ['limits.queuedPerKey', [0, 10_000_000], [-1, 10_000_001]],
];
const MILLISECONDS: [path: string, right: number[], wrong: unknown[]][] = [
  ['closeTimeoutMs', [0, 0.5, 86_400_000], [-1, 86_400_001]],
  ['shardBlockedMs', [1_000, 86_400_000], [999, 86_400_001]],
  ['limits.idleMs', [0, 86_400_000], [-1, 86_400_001]],
  ['limits.maxLifetimeMs', [0, 1_000, 86_400_000], [-1, 1, 999, 86_400_001]],
  ['limits.checkAfterMs', [0, 86_400_000], [-1, 86_400_001]],
  ['limits.breaker.openMs', [1, 86_400_000], [0, 86_400_001]],
  ['limits.breaker.maxOpenMs', [30_000, 86_400_000], [0, 29_999, 86_400_001]],
  ['limits.leakMs', [0, 2_000, 86_400_000], [-1, 1, 1_999, 86_400_001]],
  ['limits.connectTimeoutMs', [1, 86_400_000], [0, 86_400_001]],
];
const NEVER_RIGHT = ['1', null, Number.NaN, Number.POSITIVE_INFINITY, true, {}, []];

/** `{ limits: { idleMs: value } }` of `limits.idleMs`. */
function at(path: string, value: unknown): EngineOptions {
  return path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as EngineOptions;
}

function read(options: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((outer, name) => (outer as Record<string, unknown>)[name], options);
}

function refusal(options: unknown): KeylaneError {
  try {
    resolveOptions(options as EngineOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(KeylaneError);
    expect(error).toMatchObject({ code: 'ERR_CONFIG', outcome: 'not_started', retryable: false });
    return error as KeylaneError;
  }
  throw new Error('nothing was refused');
}

describe('an option', () => {
  test.each([...NUMBERS, ...MILLISECONDS])('%s is taken as it is given, up to both ends', (path, right) => {
    for (const value of right) expect(read(resolveOptions(at(path, value)), path)).toBe(value);
  });

  test.each([...NUMBERS, ...MILLISECONDS])('%s is refused by its path if it is not valid', (path, _, wrong) => {
    for (const value of [...wrong, ...NEVER_RIGHT]) {
      expect(refusal(at(path, value)).message).toMatch(new RegExp(`^createEngine\\.${path}: `));
    }
  });

  test.each(NUMBERS)('%s counts whole things', (path) => {
    expect(refusal(at(path, 256.5)).message).toContain(`createEngine.${path}: `);
  });

  test('that is not known is refused by name, with the one that was meant', () => {
    expect(refusal({ shard: 2 }).message).toMatch(/createEngine\.shard: unknown field.*`shards`/);
    expect(refusal({ limits: { idle: 1 } }).message).toContain('createEngine.limits.idle: unknown field');
    expect(refusal({ ssh: { prot: 22 } }).message).toMatch(/createEngine\.ssh\.prot: unknown field.*`port`/);
  });

  test('of ssh is refused by its path', () => {
    expect(refusal({ ssh: { port: 70_000 } }).message).toContain('createEngine.ssh.port: ');
    expect(refusal({ ssh: { hostKeys: 'no' } }).message).toContain('createEngine.ssh.hostKeys: ');
  });

  test('of a wrong kind is refused', () => {
    expect(refusal({ limits: 3 }).message).toContain('createEngine.limits: ');
    for (const breaker of [3, null, true, [], 'off']) {
      expect(refusal({ limits: { breaker } }).message).toContain('createEngine.limits.breaker: expected false, or an');
    }
    expect(refusal({ limits: { breaker: { failure: 1 } } }).message).toMatch(
      /createEngine\.limits\.breaker\.failure: unknown field.*`failures`/,
    );
    expect(refusal({ drivers: 'a.js' }).message).toContain('createEngine.drivers: ');
    expect(refusal({ drivers: ['a.js', 7] }).message).toContain('createEngine.drivers[1]: ');
    for (const options of [null, 7, 'fast', []]) expect(refusal(options).message).toContain('createEngine: ');
  });

  test('that is wrong does not hide another one', () => {
    const { message } = refusal({ shards: 0, limits: { idleMs: -1 }, nonsense: 1 });
    for (const path of ['shards', 'limits.idleMs', 'nonsense']) expect(message).toContain(`createEngine.${path}: `);
    expect(message.split('\n')).toHaveLength(3);
  });
});

describe('the defaults', () => {
  test('fill in whatever is not given', () => {
    const shards = Math.max(1, availableParallelism() - 1);
    const all = {
      shards,
      maxInFlight: 4_096 * shards,
      maxQueued: 65_536,
      closeTimeoutMs: 30_000,
      shardBlockedMs: 10_000,
      moveKeys: false,
      lazyShards: false,
      limits: {
        groups: {},
        bytesInFlight: 268_435_456,
        ratePerKey: Number.POSITIVE_INFINITY,
        burstPerKey: Number.POSITIVE_INFINITY,
        connections: 1_000 * shards,
        connectionsPerLane: 2,
        connectionsPerShard: 1_000,
        opensPerKey: 8,
        breaker: { failures: 5, openMs: 30_000, maxOpenMs: 300_000 },
        inFlightPerKey: 1_024,
        queuedPerKey: 1_024,
        idleMs: 300_000,
        maxLifetimeMs: 1_800_000,
        checkAfterMs: 30_000,
        leakMs: 0,
        shardHeapMb: 0,
        rssMb: 0,
        connectTimeoutMs: 10_000,
      },
      allowCommands: false,
      cache: {
        bytesPerShard: 10_485_760,
        diskBytes: 268_435_456,
        defaultTtlMs: 300_000,
        ttlMs: {},
        pollMs: 250,
        report: 'persisted',
      },
      ssh: {},
      smtp: {},
      stdio: {},
      http: {},
      drivers: [],
    };
    expect(resolveOptions()).toEqual(all);
    expect(resolveOptions({})).toEqual(all);
    const undefinedAll = Object.fromEntries(Object.keys(all).map((name) => [name, undefined]));
    expect(resolveOptions(undefinedAll as EngineOptions)).toEqual(all);
  });

  test('fill in what an undefined member of the limits leaves open', () => {
    const { limits } = resolveOptions({ limits: { idleMs: undefined, opensPerKey: 3 } as never });
    expect(limits).toEqual({ ...resolveOptions().limits, opensPerKey: 3 });
  });

  test('let the breaker be off, and be open for at most as long as it is at first where that is more', () => {
    expect(resolveOptions({ limits: { breaker: false } }).limits.breaker).toBe(false);
    const given = { limits: { breaker: { openMs: 600_000 } } };
    expect(resolveOptions(given).limits.breaker).toEqual({ failures: 5, openMs: 600_000, maxOpenMs: 600_000 });
    const both = refusal({ limits: { breaker: { openMs: 2, maxOpenMs: 1 } } }).message;
    expect(both).toBe('createEngine.limits.breaker.maxOpenMs: must be at least `openMs`; got 1');
  });

  test('give every shard a window of 4,096', () => {
    expect(resolveOptions({ shards: 3 }).maxInFlight).toBe(3 * 4_096);
  });

  test('do not change when a caller changes what it gave', () => {
    const given = { limits: { idleMs: 5 }, ssh: { port: 2222 }, drivers: ['/a.js'] };
    const resolved = resolveOptions(given);
    given.limits.idleMs = 6;
    given.ssh.port = 23;
    given.drivers.push('/b.js');
    expect(resolved).toMatchObject({ limits: { idleMs: 5 }, ssh: { port: 2222 }, drivers: ['/a.js'] });
    expect(resolveOptions().limits.idleMs).toBe(300_000);
  });
});

test('the resolved options are frozen, all of them', () => {
  const resolved = resolveOptions({ ssh: { port: 22 }, drivers: ['/a.js'] });
  for (const part of [
    resolved,
    resolved.limits,
    resolved.limits.groups,
    resolved.ssh,
    resolved.drivers,
    DEFAULTS,
    DEFAULTS.limits,
  ]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
});

test('a rate is a number above nothing, and its burst a tenth of it, at least 1', () => {
  const burst = (ratePerKey: number) => resolveOptions({ limits: { ratePerKey } }).limits.burstPerKey;
  expect([0.0001, 1, 10, 11, 1_000_000].map(burst)).toEqual([1, 1, 1, 2, 100_000]);
  expect(resolveOptions({ limits: { ratePerKey: 100, burstPerKey: 3 } }).limits).toMatchObject({
    ratePerKey: 100,
    burstPerKey: 3,
  });
  for (const ratePerKey of [0, -1, 0.00009, 1_000_001, Number.POSITIVE_INFINITY, '1']) {
    expect(refusal({ limits: { ratePerKey } }).message).toContain('createEngine.limits.ratePerKey: ');
  }
  for (const burstPerKey of [0, -1, 1.5, 1_000_001]) {
    expect(refusal({ limits: { ratePerKey: 1, burstPerKey } }).message).toContain('createEngine.limits.burstPerKey: ');
  }
});

describe('the connections of the process', () => {
  const connections = (options: EngineOptions, openFiles: number) =>
    resolveOptions(options, openFiles).limits.connections;

  test('are what the shards may have, as far as open files go', () => {
    expect(connections({ shards: 4 }, 1_048_576)).toBe(4_000);
    expect(connections({ shards: 4 }, Number.POSITIVE_INFINITY)).toBe(4_000);
    expect(connections({ shards: 4, limits: { connectionsPerShard: 50 } }, 1_048_576)).toBe(200);
    expect(connections({ shards: 4 }, 1_024)).toBe(1_024 - 64 - 4 * 16);
    expect(connections({ shards: 4 }, 100)).toBe(4);
  });

  test('that open files do not allow are refused by name', () => {
    const limits = { connections: 1_000 };
    expect(() => resolveOptions({ shards: 1, limits }, 1_024)).toThrow(
      /^createEngine\.limits\.connections: 1000 .*ulimit -n\) 944 /,
    );
    expect(connections({ shards: 1, limits }, 2_048)).toBe(1_000);
  });
});

test.each<[EngineOptions, string]>([
  [{ shards: 4, limits: { connections: 3 } }, 'limits.connections: must be at least the number of shards (4)'],
  [{ shards: 2, limits: { connections: 21, connectionsPerShard: 10 } }, 'limits.connections: 21 are more'],
  [{ limits: { connectionsPerLane: 11, connectionsPerShard: 10 } }, 'limits.connectionsPerLane: 11 is more'],
  [{ shards: 1, limits: { connectionsPerLane: 11, connections: 10 } }, 'limits.connectionsPerLane: 11 is more'],
  [{ maxInFlight: 10, limits: { inFlightPerKey: 11 } }, 'limits.inFlightPerKey: 11 is more than maxInFlight (10)'],
  [{ maxInFlight: 10, limits: { groups: { db: 1, web: 11 } } }, 'limits.groups.web: 11 is more than maxInFlight (10)'],
  [{ limits: { burstPerKey: 5 } }, 'limits.burstPerKey: is of no use without limits.ratePerKey'],
  [{ limits: { groups: { '': 1 } } }, 'limits.groups.'],
])('%j contradicts itself and is refused by its path', (options, says) => {
  expect(refusal(options).message).toContain(`createEngine.${says}`);
});

test('fewer requests in flight than shards are fine: the bound is not split', () => {
  expect(resolveOptions({ shards: 4, maxInFlight: 1 }).maxInFlight).toBe(1);
});

test('a driver is a path or a URL, and a URL becomes its text', () => {
  const { drivers } = resolveOptions({ drivers: ['/a.js', new URL('file:///b.js')] });
  expect(drivers).toEqual(['/a.js', 'file:///b.js']);
});
