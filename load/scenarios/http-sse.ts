import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { round } from '../measure.js';
import { rssAnon } from '../proc.js';
import { type Program, startProgram } from '../program.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const LIVE = 1_000;
const MOST = 5_000;

/** 1,000 streams by SSE for a minute, each with an event a second; then 5,000. */
export const scenario: Scenario = { name: 'http-sse', fixture: 'dispatch', limitSeconds: 180, binding: false, measure };

/** One stream as its client sees it. */
interface Reader {
  events: number;
  isOver: boolean;
  end(): void;
}

async function measure({ short }: Size): Promise<Measured> {
  const seconds = short ? 5 : 60;
  const program = await startProgram<ServiceProgram>('service', ['--expose-gc']);
  const { url, token } = await program.ask('start', {
    engine: { shards: 1, maxInFlight: 2 * MOST },
  });
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  // The code is loaded and warm before memory is looked at.
  await closed(await open(url, token, agent, 200));
  const before = await settled(program);
  const readers = await open(url, token, agent, LIVE);
  const withLive = await settled(program);
  const seen = readers.map(({ events }) => events);
  const cpu = await program.ask('cpu', undefined);
  const began = performance.now();
  await wait(seconds * 1000);
  const lived = performance.now() - began;
  const busy = ((await program.ask('cpu', undefined)) - cpu) / 1000 / lived;
  const perStream = readers.map(({ events }, i) => events - seen[i]!);
  const lost = readers.filter(({ isOver }) => isOver).length;
  // One either way: a second may begin or end within.
  const behind = perStream.filter((events) => events < Math.floor(lived / 1000) - 1).length;
  const more = await open(url, token, agent, MOST - LIVE);
  const all = [...readers, ...more];
  // Between many and more: the first thousand grow the young generations of two heaps too, by up to 30 MB.
  const each = ((await settled(program)) - withLive) / (MOST - LIVE) / 1000;
  const opened = all.filter(({ isOver, events }) => !isOver && events > 0).length;
  await closed(all);
  await program.end();

  return {
    figures: {
      streams: LIVE,
      seconds: Math.round(lived / 1000),
      events: perStream.reduce((sum, events) => sum + events, 0),
      'kB of RssAnon of each of the first 1,000': round((withLive - before) / LIVE / 1000),
      'kB of each of the next 4,000': round(each),
      'CPU of the service, share of a core': round(busy),
      [`of ${MOST}, live`]: opened,
    },
    peers: {},
    ratios: {},
    targets: [
      { what: 'streams lost', value: lost, atMost: 0 },
      { what: 'streams that missed an event', value: behind, atMost: 0 },
      { what: 'kB of RssAnon a stream', value: round(each), atMost: 20 },
      { what: 'CPU, share of a core', value: round(busy), atMost: 0.15 },
      { what: 'streams live at once', value: opened, atLeast: MOST },
    ],
    notes: ['no peer: CPU and memory of the whole process'],
  };
}

/** Resolves when each has had its first event, 100 being opened at a time. */
async function open(url: string, token: string, agent: Agent, count: number): Promise<Reader[]> {
  const readers: Reader[] = [];
  while (readers.length < count) {
    const some = Array.from({ length: Math.min(100, count - readers.length) }, (_, i) =>
      openOne(url, token, agent, readers.length + i),
    );
    readers.push(...(await Promise.all(some)));
  }
  while (readers.some(({ events, isOver }) => events === 0 && !isOver)) await wait(50);
  return readers;
}

async function openOne(url: string, token: string, agent: Agent, i: number): Promise<Reader> {
  const asked = request(`${url}/v1/stream`, {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
  });
  asked.end(JSON.stringify({ driver: 'tick', request: { key: `host-${i % 100}`, everyMs: 1_000 }, timeoutMs: 0 }));
  const [answer] = await once(asked, 'response');
  const reader: Reader = { events: 0, isOver: false, end: () => asked.destroy() };
  answer.on('data', (bytes: Buffer) => {
    if (bytes.includes('tick')) reader.events++;
  });
  for (const name of ['end', 'close', 'error'])
    answer.on(name, () => {
      reader.isOver = true;
    });
  return reader;
}

async function closed(readers: readonly Reader[]): Promise<void> {
  for (const reader of readers) reader.end();
  await wait(1_000);
}

async function settled(program: Program<ServiceProgram>): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await program.ask('collect', { shards: 1 });
    await wait(200);
  }
  return rssAnon(program.pid);
}
