import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.js';
import { Conversation } from '../../../workers/drivers/stdio/conversation.js';
import { type Framing, framed, framerOf } from '../../../workers/drivers/stdio/framing.js';
import { Outbox } from '../../../workers/drivers/stdio/outbox.js';
import { FakeExecute } from '../../support/driver-context.js';
import { settled } from '../../support/fake-clock.js';
import { mutated } from '../../support/mutate.js';
import { type Random, seeded } from '../../support/seed.js';

const CASES = process.env.KEYLANE_LONG ? 100_000 : 2_000;
const CALLS = 4;

/** What a server may say to four requests, ids 1 to 4: answers, twice, to nobody, and what nobody asked for. */
const SAID = [
  ...Array.from({ length: CALLS }, (_, i) => ({ id: i + 1, result: { of: i + 1, text: 'ä€😀\n' } })),
  { id: 2, error: { code: -32_000, message: 'no' } },
  { id: 99, result: 'of nobody' },
  { id: null, error: { code: -32_700, message: 'of nobody' } },
  { method: 'notifications/progress', params: { progressToken: 3, progress: 1 } },
  { method: 'notifications/message', params: { data: 'x'.repeat(200) } },
  { method: 'notifications/cancelled', params: { requestId: 'ask-1' } },
  { id: 'ask-1', method: 'sampling/createMessage', params: {} },
  { id: 7, method: 'ping' },
  [{ id: 1, result: 'in a batch' }, { method: 'x' }, 7, null, []],
].map((message) => JSON.stringify(Array.isArray(message) ? message : { jsonrpc: '2.0', ...message }));

const NOISE = ['INFO up and running', '', '  \r', '\0\0', '42', '"x"', '[]', '{"jsonrpc":"2.0","id":1,"resu'];

function corpus(framing: Framing): Buffer[] {
  const noise = NOISE.map((line) => `${line}\n`).join('');
  const all = SAID.map((text) => framed(framing, text));
  return [all.join(''), noise + all.join(noise), all.reverse().join(''), all[0] as string].map((text) =>
    Buffer.from(text),
  );
}

/** One process that says these bytes, to four requests, two of which are streams. Gives how often each was settled. */
async function hear(framing: Framing, random: Random, bytes: Buffer) {
  const conversation = new Conversation({
    outbox: new Outbox(new Writable({ write: (_chunk, _encoding, done) => done() }), framing, () => undefined),
    dialect: framing === 'lines' ? 'mcp' : 'lsp',
    host: {
      most: 1 << 20,
      isShared: random.below(2) === 0,
      say: () => undefined,
      room: () => Promise.resolve(),
      behind: () => undefined,
    },
    noise: () => undefined,
    served: () => undefined,
  });
  const settledTimes = new Array<number>(CALLS).fill(0);
  const contexts: FakeExecute[] = [];
  const calls = settledTimes.map((_, i) => {
    const context = new FakeExecute(i % 2 === 0 ? {} : { onChunk: () => undefined });
    contexts.push(context);
    const order = { method: 'm', params: '{"_meta":{"progressToken":"t"}}', progressToken: 't', notify: false };
    const count = () => {
      (settledTimes[i] as number)++;
    };
    return conversation.ask(order, context).then(count, count);
  });
  const faults: string[] = [];
  const framer = framerOf(framing, 1 << 20, {
    message: (text) => conversation.heard(text),
    noise: () => undefined,
    fault: (why) => faults.push(why),
  });
  for (let from = 0; from < bytes.length; ) {
    const to = from + 1 + random.below(random.pick([1, 20, 10_000]));
    framer.push(bytes.subarray(from, to));
    from = to;
  }
  framer.end();
  conversation.lost(
    (hasLeft) => new KeylaneError('ERR_CONNECTION_LOST', 'over', { outcome: hasLeft ? 'unknown' : 'not_started' }),
  );
  await Promise.all(calls);
  expect(conversation.size).toBe(0);
  for (const { chunks } of contexts)
    for (const { data } of chunks) expect(() => JSON.parse(data.toString())).not.toThrow();
  return { settledTimes, faults };
}

test.each<Framing>(['lines', 'content-length'])(
  `%s: of ${CASES / 2} servers that say anything, none is worth more than its own process`,
  async (framing) => {
    const random = seeded();
    const good = corpus(framing);
    for (let i = 0; i < CASES / 2; i++) {
      const { settledTimes, faults } = await hear(framing, random, mutated(random, good));
      expect(settledTimes).toEqual([1, 1, 1, 1]);
      expect(faults.length).toBeLessThanOrEqual(1);
      if (i % 100 === 0) await settled();
    }
  },
  600_000,
);
