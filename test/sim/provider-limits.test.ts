import { beforeEach, describe, expect, test } from 'vitest';
import type { BatchOptions } from '../../src/batch-options.ts';
import { KeylaneError } from '../../src/errors.ts';
import { laneOf } from '../../src/routing.ts';
import type {
  Driver,
  DriverLimits,
  DriverName,
  ExecuteContext,
  OpenContext,
  RequestOf,
  Result,
  Spec,
} from '../../src/types.ts';
import { SEED, seeded } from '../support/seed.ts';
import type { VirtualThread } from './world/thread.ts';
import { VirtualEngine } from './world/virtual-engine.ts';
import { World } from './world/world.ts';

const MINUTE = 60_000;
/** A simulated day takes seconds: outside of the long tier it is shorter. */
const DAY = process.env.KEYLANE_LONG ? 86_400_000 : 7_200_000;
const MAILS = 300;

interface Mail {
  account: string;
  /** Two ways to send of one account: two lanes. */
  from: string;
  recipients: number;
}

interface Reply {
  code: number;
  said: string;
}

const SPEC: Spec<Mail, Mail, Reply> = {
  name: 'mail',
  parse: (mail) => {
    const target = { account: mail.account, from: mail.from };
    return { key: mail.account, lane: laneOf(mail.account, target), target, request: mail };
  },
  ok: ({ code }) => code === 250,
  again: ({ code }) => (code === 432 ? 30_000 : undefined),
};

/** As Exchange Online bounds a mailbox: connections, messages a minute, recipients a day. Refuses what is beyond. */
class Mailbox {
  refusals = 0;
  mostConnections = 0;
  #connections = 0;
  #messages: number[] = [];
  #recipients: { at: number; count: number }[] = [];

  connect(): boolean {
    if (this.#connections >= 3) {
      this.refusals++;
      return false;
    }
    this.#connections++;
    this.mostConnections = Math.max(this.mostConnections, this.#connections);
    return true;
  }

  disconnect(): void {
    this.#connections--;
  }

  take({ recipients }: Mail, now: number): Reply {
    this.#messages = this.#messages.filter((at) => at > now - MINUTE);
    this.#recipients = this.#recipients.filter(({ at }) => at > now - DAY);
    const today = this.#recipients.reduce((sum, { count }) => sum + count, recipients);
    if (this.#messages.length >= 30 || today > 10_000) {
      this.refusals++;
      return { code: 432, said: '4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded' };
    }
    this.#messages.push(now);
    this.#recipients.push({ at: now, count: recipients });
    return { code: 250, said: '2.0.0 OK' };
  }
}

let world: World;
let mailbox: Mailbox;

beforeEach(() => {
  seeded();
  world = new World(SEED);
  mailbox = new Mailbox();
});

function driver({ clock, onEnd }: VirtualThread, limits: DriverLimits, pauseMs: number): Driver {
  const later = (ms: number) => new Promise<void>((resolve) => clock.timer(ms, resolve));
  return {
    streams: 1,
    limits: () => limits,
    units: ({ recipients }: Mail) => recipients,
    open: async (_target: unknown, { signal }: OpenContext) => {
      await later(world.delay(20, 500));
      if (!mailbox.connect()) throw new KeylaneError('ERR_CONNECT', '432 4.3.2 concurrent connections limit exceeded');
      const connection = { isOpen: true };
      // The server hears of the end of a thread that died: its sockets are closed.
      const end = () => {
        if (connection.isOpen) mailbox.disconnect();
        connection.isOpen = false;
      };
      onEnd.push(end);
      if (signal.aborted) end();
      return { end };
    },
    // It is counted at some moment between the request and its answer.
    execute: async (_connection: unknown, mail: Mail, context: ExecuteContext) => {
      await later(world.delay(5, 500));
      context.sent();
      const reply = mailbox.take(mail, world.clock.now());
      await later(world.delay(5, 1_500));
      if (reply.code === 432 && pauseMs > 0) context.pause(pauseMs);
      return reply;
    },
    ok: ({ code }: Reply) => code === 250,
    reusable: () => true,
    close: async (connection: { end(): void }) => {
      await later(world.delay(1, 100));
      connection.end();
    },
  } as unknown as Driver;
}

interface Sent {
  results: Result[];
  tookMs: number;
}

async function sendAll(
  limits: DriverLimits,
  { recipients = 1, attempts = 1, pauseMs = 0, deaths = 0, mails = MAILS }: How = {},
): Promise<Sent> {
  const virtual = new VirtualEngine(world, SPEC as unknown as Spec, (thread) => driver(thread, limits, pauseMs));
  const inputs = Array.from({ length: mails }, (_, i) => ({ account: 'me', from: `address ${i % 2}`, recipients }));
  const options: BatchOptions<RequestOf<DriverName>> = { concurrency: 200, timeoutMs: 0, attempts };
  const start = world.clock.now();
  for (let i = 1; i <= deaths; i++) {
    world.after(i * 95_000, () => {
      for (const thread of virtual.threads.alive) thread.die('by the test');
    });
  }
  const all = async () => {
    const results: Result[] = [];
    for await (const result of virtual.engine.batch('mail' as DriverName, inputs as never[], options))
      results.push(result);
    return results;
  };
  const results = await virtual.until(all());
  const tookMs = world.clock.now() - start;
  await virtual.close();
  return { results, tookMs };
}

interface How {
  recipients?: number;
  attempts?: number;
  pauseMs?: number;
  deaths?: number;
  mails?: number;
}

const CONNECTIONS: DriverLimits = { connectionsPerLane: 3, connectionsPerKey: 3 };
const LIMITS: DriverLimits = {
  ...CONNECTIONS,
  quotas: [
    { most: 30, perMs: MINUTE },
    { most: 10_000, perMs: DAY, of: 'units' },
  ],
};
const oks = ({ results }: Sent) => results.filter(({ outcome }) => outcome === 'ok').length;

describe('a provider that takes 3 connections and 30 messages a minute', () => {
  test('M8: refuses none of 300 mails, which take no longer than that has to', async () => {
    const sent = await sendAll(LIMITS);
    expect([oks(sent), mailbox.refusals, mailbox.mostConnections]).toEqual([MAILS, 0, 3]);
    // 30 at once, and nine times 30 more, each of them a minute after the answer to another.
    expect(sent.tookMs).toBeGreaterThan(9 * MINUTE);
    expect(sent.tookMs).toBeLessThan(9 * (MINUTE + 2_000) + 30_000);
  });

  test('refuses many of them where nobody holds them back: or the test above would show nothing', async () => {
    const sent = await sendAll({ connectionsPerLane: 5 });
    expect(oks(sent)).toBeLessThan(200);
    expect(mailbox.refusals).toBeGreaterThan(100);
  });

  test('has all of them in the end where it is left alone for as long as it says, and few are refused', async () => {
    const sent = await sendAll(CONNECTIONS, { attempts: 30, pauseMs: 30_000 });
    expect(oks(sent)).toBe(MAILS);
    // At most those that were under way when it said so.
    expect(mailbox.refusals).toBeGreaterThan(0);
    expect(mailbox.refusals).toBeLessThanOrEqual(3 * (sent.tookMs / 30_000 + 1));
  });

  test('refuses none where threads die in between, and what was counted there is not known any more', async () => {
    const sent = await sendAll({ ...CONNECTIONS, quotas: [{ most: 30, perMs: MINUTE }] }, { deaths: 1, attempts: 5 });
    expect(mailbox.refusals).toBe(0);
    expect(
      sent.results.every(({ outcome }) => outcome === 'ok' || outcome === 'unknown' || outcome === 'not_started'),
    ).toBe(true);
    // Two hundred were in flight, and a hundred tries more are allowed.
    expect(oks(sent)).toBeGreaterThan(MAILS - 200);
  });
});

test('a provider that takes 10,000 recipients a day has the rest on the next, and refuses none', async () => {
  const sent = await sendAll(LIMITS, { recipients: 40 });
  expect([oks(sent), mailbox.refusals]).toEqual([MAILS, 0]);
  // 250 mails of 40 go on the first day. The count of a day is in 128ths of it, on the strict side.
  expect(sent.tookMs).toBeGreaterThan(DAY);
  expect(sent.tookMs).toBeLessThan(DAY * (1 + 2 / 128));
});
