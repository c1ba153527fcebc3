import { createEngine, type EchoFault } from 'keylane';
import { afterEach, expect, test } from 'vitest';

const engines: { close(): Promise<void> }[] = [];
afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())));

test('Of a group that runs one at a time, none starts after the failure that stops the batch', async () => {
  const engine = await createEngine({ shards: 2, limits: { groups: { app: 1 } } });
  engines.push(engine);
  const requests = Array.from({ length: 20 }, (_, at) => {
    const key = `app-${at}`;
    return at === 3 ? { key, fault: 'failed' as EchoFault } : { key };
  });
  const outcomes: string[] = [];
  for await (const { index, outcome, error, shard } of engine.batch('echo', requests, {
    labels: ['app'],
    maxFailures: 1,
    concurrency: 20,
  })) {
    outcomes[index] = error ? `${outcome} ${error.code} ${shard}` : outcome;
  }
  expect(outcomes.slice(0, 4)).toEqual(['ok', 'ok', 'ok', 'failed']);
  expect(new Set(outcomes.slice(4))).toEqual(new Set(['not_started ERR_STOPPED -1']));
});

test('A try that is to be made again stops nothing yet, and is counted when it is over', async () => {
  const engine = await createEngine({ shards: 1, limits: { groups: { app: 1 } } });
  engines.push(engine);
  const requests = [{ key: 'a', fault: 'ERR_CONNECT' as EchoFault }, { key: 'b' }, { key: 'c' }];
  const codes: string[] = [];
  for await (const { index, outcome, error } of engine.batch('echo', requests, {
    labels: ['app'],
    maxFailures: 1,
    attempts: 2,
  }))
    codes[index] = error ? `${outcome} ${error.code}` : outcome;
  expect(codes).toEqual(['not_started ERR_CONNECT', 'ok', 'ok']);
});
