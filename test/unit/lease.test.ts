import { expect, test } from 'vitest';
import { Connection, type ConnectionOwner } from '../../workers/connection.ts';
import { Lease } from '../../workers/lease.ts';

const OWNER: ConnectionOwner = {
  limits: {
    connections: 1,
    connectionsPerKey: Number.POSITIVE_INFINITY,
    idleMs: undefined,
    maxLifetimeMs: 0,
    connectTimeoutMs: 10_000,
    quotas: undefined,
  },
  retire() {},
};

function leased() {
  const told: unknown[][] = [];
  const connection = new Connection(OWNER, 1, 0);
  const lease = new Lease(connection, {
    settle: (of, broken) => told.push(['settle', of === connection, broken]),
    exceeded: (of, streams) => told.push(['exceeded', of === connection, streams]),
    unused: (of) => told.push(['unused', of === connection]),
  });
  return { lease, told };
}

const BROKEN = new Error('broken');
const ways: [string, (lease: Lease) => void, unknown[]][] = [
  ['release', (lease) => lease.release(), ['settle', true, undefined]],
  ['discard', (lease) => lease.discard(BROKEN), ['settle', true, BROKEN]],
  ['unused', (lease) => lease.unused(), ['unused', true]],
  ['exceeded', (lease) => lease.exceeded(2), ['exceeded', true, 2]],
];

test.each(ways)('%s tells the owner once, and every way to settle it again throws', (_, settle, expected) => {
  const { lease, told } = leased();
  settle(lease);
  for (const [, again] of ways) expect(() => again(lease)).toThrow('a lease was settled twice');
  expect(told).toEqual([expected]);
});

test('a lease is settled even if its owner throws', () => {
  const lease = new Lease(new Connection(OWNER, 1, 0), {
    settle() {
      throw new Error('a bug');
    },
    exceeded() {},
    unused() {},
  });
  expect(() => lease.release()).toThrow('a bug');
  expect(() => lease.release()).toThrow('settled twice');
});
