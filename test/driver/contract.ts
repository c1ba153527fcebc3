import { createEngine, type DriverName, type EngineOptions, type RequestOf, type ResponseOf } from 'keylane';
import type { Requester } from 'keylane/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, until, verdict } from '../support/engine.js';
import { expectNoLeaks, held } from '../support/leaks.js';

/** A peer, and what to ask of it. */
export interface Peer<D extends DriverName> {
  /** Answered with yes, soon; `answer` takes from the response what tells `i` from every other. */
  ok(i: number): RequestOf<D>;
  answer(response: ResponseOf<D>): unknown;
  expected(i: number): unknown;
  /** Answered with no. */
  failing(): RequestOf<D>;
  /** No connection can be opened for it. */
  refused(): RequestOf<D>;
  /** Runs until it is called off. On the same lane as `ok`. */
  hanging(): RequestOf<D>;
  /** Resolves when the peer has `hanging`. */
  started(): Promise<void>;
  /** In flight when its connection is lost. On the same lane as `ok`. */
  losing(): RequestOf<D>;
  /** Loses every connection there is. */
  lose(): void | Promise<void>;
  /** Says `said` live, then repeats what is written until its input ends. */
  talking?(said: string): RequestOf<D>;
  stop(): Promise<void>;
}

export interface DriverUnderTest<D extends DriverName> {
  name: D;
  options?: EngineOptions;
  /** Streams of one connection. */
  streams: number;
  setup(): Promise<Peer<D>>;
  /** Why a part of the contract is not for this driver. */
  without?: { talking?: string };
  /** What runs the requests. @default an engine of this process */
  through?: { name: string; start(options: EngineOptions): Promise<Requester> };
}

const CONNECTIONS = 3;

/** What every driver must do, through an engine and against a peer. Each driver runs it. */
export function describeDriver<D extends DriverName>({
  name,
  options,
  streams,
  setup,
  without,
  through = { name: 'an engine', start: createEngine },
}: DriverUnderTest<D>): void {
  describe(`the driver ${name}, through ${through.name}`, () => {
    let peer: Peer<D>;
    let engine: Requester;
    const limits = { connectionsPerLane: CONNECTIONS };

    beforeAll(async () => {
      peer = await setup();
      engine = await through.start({ shards: 1, ...options, limits });
    });
    afterAll(async () => {
      await engine.close();
      await peer.stop();
    });

    const one = async (request: RequestOf<D>, attempts = 1) => {
      const options = { attempts, timeoutMs: 30_000, idempotent: attempts > 1 };
      for await (const result of engine.batch(name, [request], options)) return result;
      throw new Error('no result');
    };
    const inside = async () => (await engine.stats()).shards[0]?.inside;

    test('an answer yes is ok', async () => {
      const { outcome, response, attempts, shard } = await one(peer.ok(1));
      expect({ outcome, attempts, shard }).toEqual({ outcome: 'ok', attempts: 1, shard: 0 });
      expect(peer.answer(response as ResponseOf<D>)).toEqual(peer.expected(1));
    });

    test('a connection whose peer is well is lent again after a silence', async () => {
      const wary = await through.start({ shards: 1, ...options, limits: { connectionsPerLane: 1, checkAfterMs: 1 } });
      try {
        for (let i = 0; i < 3; i++) {
          const idleSince = performance.now();
          await until(() => performance.now() - idleSince > 10);
          expect(peer.answer(await wary.run(name, peer.ok(i)))).toEqual(peer.expected(i));
        }
        expect((await wary.stats()).shards[0]?.inside?.opened).toBe(1);
      } finally {
        await wary.close();
      }
    });

    test('an answer no is failed, and run resolves with it', async () => {
      expect((await one(peer.failing())).outcome).toBe('failed');
      expect(await engine.run(name, peer.failing())).toBeTypeOf('object');
    });

    test('where no connection can be opened, nothing has started', async () => {
      const { outcome, error, shard } = await one(peer.refused());
      expect({ outcome, shard }).toEqual({ outcome: 'not_started', shard: 0 });
      expect(['ERR_CONNECT', 'ERR_DNS', 'ERR_SPAWN']).toContain(error?.code);
      expect(error?.retryable).toBe(true);
    });

    test('100 requests at once each get their own answer, on no more connections than a lane may have', async () => {
      const calls = Array.from({ length: 100 }, (_, i) => engine.run(name, peer.ok(i)));
      const answers = (await Promise.all(calls)).map((response) => peer.answer(response));
      expect(answers).toEqual(answers.map((_, i) => peer.expected(i)));
      const { opening = 0, idle = 0, busy = 0, full = 0 } = (await inside())?.connections ?? {};
      expect(opening + idle + busy + full).toBeLessThanOrEqual(CONNECTIONS);
    });

    test('a connection is used again', async () => {
      // One that nobody waits for any more may still be on its way, and one that came late was never used.
      await until(async () => (await inside())?.connections.opening === 0);
      for (let i = 0; i < CONNECTIONS; i++) await one(peer.ok(i));
      const opened = (await inside())?.opened;
      for (let i = 0; i < 3; i++) expect(await one(peer.ok(i))).toMatchObject({ outcome: 'ok', reused: true });
      expect((await inside())?.opened).toBe(opened);
    });

    test(`no more than ${streams} requests run on a connection; the others wait`, async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const most = CONNECTIONS * streams;
      const calls = Array.from({ length: most + 2 }, () => verdict(engine.run(name, peer.hanging(), { signal })));
      await until(async () => {
        const now = await inside();
        return now?.requests === most + 2 && now.waiting === 2;
      });
      controller.abort();
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['ERR_CANCELED canceled']));
      expect((await one(peer.ok(1))).outcome).toBe('ok');
    });

    test('a request that is canceled in flight is canceled, and its key serves on', async () => {
      const controller = new AbortController();
      const call = verdict(engine.run(name, peer.hanging(), { signal: controller.signal }));
      await peer.started();
      controller.abort();
      expect(await call).toBe('ERR_CANCELED canceled');
      expect(await one(peer.ok(2))).toMatchObject({ outcome: 'ok' });
    });

    test('a request that is canceled before it came is not sent', async () => {
      // Over a service, who calls off is told at once, and what was called off before may be ending still.
      await until(async () => (await inside())?.requests === 0);
      const signal = AbortSignal.abort();
      expect(await verdict(engine.run(name, peer.ok(1), { signal }))).toBe('ERR_CANCELED canceled');
      expect((await inside())?.requests).toBe(0);
    });

    test('a request whose deadline passes in flight may have run', async () => {
      const begun = performance.now();
      const call = failure(engine.run(name, peer.hanging(), { timeoutMs: 1_000 }));
      await peer.started();
      expect(await call).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown', retryable: false });
      // The driver has 2 s to find out more; the rest is for a busy machine.
      expect(performance.now() - begun).toBeLessThan(6_000);
      expect((await one(peer.ok(3))).outcome).toBe('ok');
    });

    test('a request whose connection is lost is unknown, never ok, and its key serves on', async () => {
      const call = failure(engine.run(name, peer.losing()));
      await peer.started();
      await peer.lose();
      expect(await call).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown', retryable: false });
      // Another connection died with it. A request that meets the loss before it is noticed is tried again.
      expect(await one(peer.ok(4), 3)).toMatchObject({ outcome: 'ok' });
    });

    test('a connection that is lost while idle costs no request', async () => {
      expect(await one(peer.ok(5), 3)).toMatchObject({ outcome: 'ok' });
      await peer.lose();
      const { response } = await one(peer.ok(6), 3);
      expect(peer.answer(response as ResponseOf<D>)).toEqual(peer.expected(6));
    });

    const cannotTalk = without?.talking;
    test.skipIf(cannotTalk !== undefined)(
      `live, what is said comes, and what is written arrives${because(cannotTalk)}`,
      async () => {
        const stream = engine.stream(name, (peer.talking as NonNullable<typeof peer.talking>)('hello, '));
        const lines = Array.from({ length: 300 }, (_, i) => `line ${i}\n`);
        const writing = (async () => {
          for (const line of lines) await stream.write(line);
          stream.end();
        })();
        let text = '';
        for await (const { data } of stream) text += data.toString();
        await writing;
        expect(text).toBe(`hello, ${lines.join('')}`);
        expect(await stream.response).toBeTypeOf('object');
      },
    );

    test('a stream that is left early ends its request', async () => {
      const stream = engine.stream(name, peer.hanging());
      await peer.started();
      await stream.return();
      expect(await verdict(stream.response)).toBe('ERR_CANCELED canceled');
      await until(async () => (await inside())?.requests === 0);
    });

    test('close leaves no descriptor, process or timer, whatever was going on', async () => {
      const before = held();
      const other = await through.start({ shards: 1, ...options, limits, closeTimeoutMs: 300 });
      await Promise.all(Array.from({ length: 30 }, (_, i) => other.run(name, peer.ok(i))));
      const call = verdict(other.run(name, peer.hanging()));
      await peer.started();
      // It has been handed over, and come to its shard.
      await until(async () => (await other.stats()).shards[0]?.inside?.requests === 1);
      await other.close();
      expect(await call).toBe('ERR_CLOSED unknown');
      await peer.lose();
      await expectNoLeaks(before);
    });
  });
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : ` (not here: ${reason})`;
}
