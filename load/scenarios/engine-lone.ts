import { createEngine } from 'keylane';
import { interleave, keepInFlight, median, msEach, round } from '../measure.js';
import { PostMessage } from '../peers/post-message.js';
import type { Measured, Scenario } from '../scenario.js';

/** Short and many: the same round trip took 17 or 40 µs for seconds on end, as the two threads shared a core or not. */
const ROUND_MS = 50;
const ROUNDS = 80;

/** One request at a time: does writing frames a turn cost the lone one anything? */
export const scenario: Scenario = {
  name: 'engine-lone',
  fixture: 'dispatch',
  limitSeconds: 60,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const engine = await createEngine({ shards: 1 });
  const postMessage = new PostMessage();
  const rounds = await interleave(ROUNDS, {
    keylane: () => keepInFlight(1, ROUND_MS, () => engine.run('echo', { key: 'host-0', payload: 'uptime' })),
    postMessage: () => keepInFlight(1, ROUND_MS, () => postMessage.run('host-0', 'uptime')),
  });
  await Promise.all([engine.close(), postMessage.end()]);

  const us = (name: keyof typeof rounds) => round(1000 * median(rounds[name].map(msEach)));
  // A round and its neighbour met the same machine: the median of their ratios drifts less than the ratio of medians.
  const ratio = round(median(rounds.keylane.map((work, i) => msEach(work) / msEach(rounds.postMessage[i]!))));
  return {
    figures: { usPerRequest: us('keylane') },
    peers: { postMessage: { usPerRoundTrip: us('postMessage') } },
    ratios: { 'time ÷ postMessage round trip': ratio },
    targets: [{ what: 'time of one request ÷ a bare postMessage round trip', value: ratio, atMost: 1.3 }],
  };
}
