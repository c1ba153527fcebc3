import { isIP, Socket } from 'node:net';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { Opening } from '../../src/util/opening.js';
import { connectTo, type Peer } from '../../src/util/tcp.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { type Random, seeded } from '../support/seed.js';

/** What becomes of a connect: after so long it is made, or fails; without one there is no answer. */
interface Fate {
  ms: number;
  code?: string;
}

interface Tried {
  host: string;
  localAddress?: string;
  at: number;
  socket: Socket;
}

const AWAITED = { preparation: 'no files', 'look-up': 'no look-up', connect: 'no answer to the connect' };
let clock: FakeClock;
let fates: Record<string, Fate>;
let tried: Tried[];
beforeEach(() => {
  clock = new FakeClock();
  fates = {};
  tried = [];
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...[to]: unknown[]) {
    const { host, localAddress } = to as Tried;
    tried.push({ host, ...(localAddress !== undefined && { localAddress }), at: clock.now(), socket: this });
    const { ms, code } = fates[host] ?? {};
    if (ms === undefined) return this;
    clock.timer(ms, () => {
      if (this.destroyed) return;
      if (code === undefined) this.emit('connect');
      else this.destroy(Object.assign(new Error(code), { code }));
    });
    return this;
  } as never);
  onTestFinished(() => {
    for (const { socket } of tried) socket.destroy();
    vi.restoreAllMocks();
  });
});

const REFUSED = { ms: 1, code: 'ECONNREFUSED' };
const NO_NETWORK = { ms: 1, code: 'ENETUNREACH' };
const peer: Peer = { host: 'web', port: 22, name: 'web:22' };

/** An open to these addresses; `end` is how it ended, once it has. */
function open(addresses: readonly string[], more: Partial<Peer> = {}, ms = 10_000) {
  const controller = new AbortController();
  const opening = new Opening('web:22', AWAITED, { deadline: Infinity, signal: controller.signal }, clock, ms);
  const ask = () => Promise.resolve(addresses.map((address) => ({ address, family: isIP(address) })));
  const opened = { controller, end: undefined as Socket | KeylaneError | undefined };
  const ended = (end: Socket | KeylaneError) => {
    opening.end();
    opened.end = end;
  };
  connectTo({ ...peer, ...more }, ask as never, opening).then(ended, ended);
  return opened;
}

/** Of whom, and when. */
const starts = () => tried.map(({ host, at }) => `${host} ${at}`);
const held = () => tried.filter(({ socket }) => !socket.destroyed).map(({ socket }) => socket);

test('an address has 250 ms for itself, then the next is tried beside it, and who answers last is let go of', async () => {
  fates = { '192.0.2.1': { ms: 600 }, '192.0.2.2': { ms: 100 } };
  const opened = open(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  await clock.advanceSettling(349);
  expect([starts(), held().length]).toEqual([['192.0.2.1 0', '192.0.2.2 250'], 2]);
  await clock.advanceSettling(1);
  expect(opened.end).toBe(tried[1]?.socket);
  expect(held()).toEqual([opened.end]);
  await clock.advanceSettling(60_000);
  expect([tried.length, held().length]).toEqual([2, 1]);
});

test('where an address fails the next is tried at once, and one that answers late wins all the same', async () => {
  fates = { '192.0.2.1': { ms: 700 }, '192.0.2.2': REFUSED };
  const opened = open(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  await clock.advanceSettling(700);
  expect(starts()).toEqual(['192.0.2.1 0', '192.0.2.2 250', '192.0.2.3 251']);
  expect(opened.end).toBe(tried[0]?.socket);
});

test('families take turns, the one that was found first before the other', async () => {
  open(['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.1']);
  await clock.advanceSettling(1_000);
  expect(tried.map(({ host }) => host)).toEqual(['2001:db8::1', '192.0.2.1', '2001:db8::2', '2001:db8::3']);
});

test('what is told is what a host said, rather than what this machine did', async () => {
  fates = { '192.0.2.1': REFUSED, '2001:db8::1': NO_NETWORK };
  const opened = open(['192.0.2.1', '2001:db8::1']);
  await clock.advanceSettling(10);
  const { code, key, local, message } = opened.end as KeylaneError;
  expect({ code, key, local, message }).toEqual({
    code: 'ERR_CONNECT',
    key: 'web:22',
    local: undefined,
    message: 'web:22: the connection was refused: nothing listens there (192.0.2.1)',
  });
  const alone = open(['2001:db8::1']);
  await clock.advanceSettling(10);
  expect(alone.end).toMatchObject({ local: true });
});

test('an open whose time is up, or that is called off, leaves no socket and no timer', async () => {
  const late = open(['192.0.2.1', '192.0.2.2']);
  await clock.advanceSettling(10_000);
  expect(late.end).toMatchObject({ message: 'web:22: no answer to the connect within 10000 ms' });
  expect([held(), clock.pending]).toEqual([[], 0]);
  const opened = open(['192.0.2.1', '192.0.2.2']);
  await clock.advanceSettling(300);
  expect(held()).toHaveLength(2);
  const reason = new KeylaneError('ERR_CLOSED');
  opened.controller.abort(reason);
  await settled();
  expect([held(), clock.pending]).toEqual([[], 0]);
  expect(opened.end).toBe(reason);
});

test('a socket that connects in the very turn in which the open is called off is let go of', async () => {
  const opened = open(['192.0.2.1', '192.0.2.2']);
  await settled();
  opened.controller.abort(new KeylaneError('ERR_CLOSED'));
  tried[0]?.socket.emit('connect');
  await settled();
  expect([opened.end, held(), clock.pending]).toMatchObject([{ code: 'ERR_CLOSED' }, [], 0]);
});

describe('rounds', () => {
  test('are a second apart, and the last one’s answer is told', async () => {
    fates = { '192.0.2.1': REFUSED, '192.0.2.2': REFUSED };
    const opened = open(['192.0.2.1', '192.0.2.2'], { rounds: 2 });
    await clock.advanceSettling(1_003);
    expect(starts()).toEqual(['192.0.2.1 0', '192.0.2.2 1', '192.0.2.1 1002', '192.0.2.2 1003']);
    fates['192.0.2.2'] = { ms: 5 };
    await clock.advanceSettling(1);
    expect(opened.end).toMatchObject({ code: 'ERR_CONNECT', message: expect.stringContaining('192.0.2.2') });
  });

  test('have each an equal part of the time left, where there is no answer', async () => {
    const opened = open(['192.0.2.1'], { rounds: 3 });
    await clock.advanceSettling(10_000);
    expect(tried.map(({ at }) => Math.round(at))).toEqual([0, 4_333, 8_167]);
    expect(opened.end).toMatchObject({ message: 'web:22: no answer to the connect within 10000 ms' });
    expect([held(), clock.pending]).toEqual([[], 0]);
  });

  test('end where the pause would outlast the open: that nothing answered is told', async () => {
    const opened = open(['192.0.2.1'], { rounds: 2 }, 1_500);
    await clock.advanceSettling(750);
    expect(opened.end).toMatchObject({ code: 'ERR_CONNECT', message: 'web:22: no answer from 192.0.2.1' });
    expect([tried.length, held(), clock.pending]).toEqual([1, [], 0]);
  });

  test('end with the first that answers, whose socket is let be', async () => {
    fates = { '192.0.2.1': { ms: 10 } };
    const opened = open(['192.0.2.1'], { rounds: 2 });
    await clock.advanceSettling(10);
    expect(clock.pending).toBe(0);
    await clock.advanceSettling(60_000);
    expect(held()).toEqual([opened.end]);
  });
});

describe('what may be connected to', () => {
  test('are the addresses that are admitted, and nothing that is none: a name would be looked up again', async () => {
    fates = { '192.0.2.1': REFUSED, '192.0.2.2': REFUSED };
    const admit = (addresses: readonly string[]) => addresses.filter((address) => address !== '192.0.2.1');
    const opened = open(['192.0.2.1', 'inner.example', '192.0.2.2'], { admit });
    await clock.advanceSettling(10);
    expect(starts()).toEqual(['192.0.2.2 0']);
    expect(opened.end).toMatchObject({ message: expect.stringContaining('192.0.2.2') });
    const none = open(['inner.example']);
    await settled();
    expect(none.end).toMatchObject({ code: 'ERR_DNS', message: 'web:22: web has no address' });
    expect(tried).toHaveLength(1);
  });

  test('has the family of the address that we come from', async () => {
    fates = { '192.0.2.1': { ms: 1, code: 'EADDRNOTAVAIL' } };
    const source = { address: '198.51.100.9', option: 'sourceAddress' };
    const opened = open(['2001:db8::1', '192.0.2.1'], { source });
    await clock.advanceSettling(10);
    expect(tried).toMatchObject([{ host: '192.0.2.1', localAddress: '198.51.100.9' }]);
    expect(opened.end).toMatchObject({
      local: true,
      message: 'web:22: sourceAddress 198.51.100.9 is none of this machine (192.0.2.1)',
    });
    const none = open(['2001:db8::1'], { source });
    await settled();
    expect(none.end).toMatchObject({
      local: true,
      message: 'web:22: web has no IPv4 address, and sourceAddress 198.51.100.9 is one',
    });
  });
});

test('whatever the answers and whenever it is called off: each is tried in its time, and one socket is left or none', async () => {
  const random = seeded();
  for (let time = 0; time < 200; time++) {
    tried = [];
    clock = new FakeClock();
    const addresses = Array.from({ length: 1 + random.below(5) }, (_, index) => `192.0.2.${index}`);
    fates = Object.fromEntries(addresses.flatMap((address) => fateOf(address, random)));
    const calledOff = random.below(3) === 0 ? random.next() * 1_500 : Number.POSITIVE_INFINITY;
    const { begun, connected } = expected(addresses, calledOff);
    const opened = open(addresses);
    if (calledOff < 10_000) {
      await clock.advanceSettling(calledOff);
      opened.controller.abort(new KeylaneError('ERR_CLOSED'));
    }
    await clock.advanceSettling(60_000);
    expect(starts()).toEqual(begun);
    const won = tried.find(({ host }) => host === connected)?.socket;
    if (won) expect(opened.end).toBe(won);
    else expect(opened.end).toBeInstanceOf(KeylaneError);
    expect(held()).toEqual(won ? [won] : []);
    expect(clock.pending).toBe(0);
    won?.destroy();
  }
});

function fateOf(address: string, random: Random): [string, Fate][] {
  const ms = random.next() * 900;
  return random.pick([[], [[address, { ms }]], [[address, { ms, code: 'ECONNREFUSED' }]]]);
}

/** By the rule alone: an address begins 250 ms after the one before it, or when one fails after that had begun. */
function expected(addresses: readonly string[], calledOff: number) {
  const begins: number[] = [];
  let won = calledOff;
  let connected: string | undefined;
  const ends = (index: number) => (begins[index] as number) + (fates[addresses[index] as string]?.ms ?? Infinity);
  for (const [index, address] of addresses.entries()) {
    const before = begins[index - 1] ?? 0;
    const failures = begins.map((_, i) => (fates[addresses[i] as string]?.code ? ends(i) : Infinity));
    const at = index === 0 ? 0 : Math.min(before + 250, ...failures.filter((end) => end > before));
    if (at > won) break;
    begins.push(at);
    if (fates[address] && !fates[address].code && ends(index) < won) [won, connected] = [ends(index), address];
  }
  return { begun: begins.filter((at) => at < won).map((at, i) => `${addresses[i]} ${at}`), connected };
}
