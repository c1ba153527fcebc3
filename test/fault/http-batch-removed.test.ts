import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { echoLines, shown, submit } from '../support/http-batches.ts';
import { TestService } from '../support/service.ts';

let at: TestService;
beforeAll(async () => {
  at = await TestService.start();
});
afterAll(() => at.stop());

const ROUNDS = process.env.KEYLANE_LONG ? 200 : 25;

test('a batch is removed once, whoever else cancels, removes or reads it at the same moment; the service lives', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { body } = await submit(at, `removed ${round}`, echoLines(3));
    const path = `/v1/batches/${body.id}`;
    await until(async () => (await shown(at, body.id)).state === 'done');
    const ask = async (method: string, more = '') => (await at.call(method, `${path}${more}`)).status;
    const removed = [ask('DELETE'), ask('DELETE'), ask('DELETE')];
    const others = [ask('POST', '/cancel'), ask('GET'), ask('GET', '/report'), ask('POST', '/cancel')];
    expect((await Promise.all(removed)).filter((status) => status === 204)).toEqual([204]);
    // LMDB ended the process here.
    const told = await Promise.all([...removed, ...others]);
    expect(told.filter((status) => ![200, 204, 404, 409].includes(status))).toEqual([]);
    expect(await ask('GET')).toBe(404);
  }
});
