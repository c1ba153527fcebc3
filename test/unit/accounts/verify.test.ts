import { describe, expect, it } from 'vitest';
import type { Account } from '../../../src/accounts/account.ts';
import { verifyAll } from '../../../src/accounts/verify.ts';
import { KeylaneError } from '../../../src/errors.ts';
import { deferred } from '../../../src/util/deferred.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';

const oauth: NonNullable<Account['oauth']> = {
  grant: 'client_credentials',
  tokenUrl: 'https://t.example/token',
  clientId: 'c',
  clientSecret: 'env:S',
};
const mail = (name: string): Account => ({ name, driver: 'smtp', endpoint: { host: 'mx' }, oauth });
const web = (name: string): Account => ({ name, driver: 'ssh', endpoint: { host: name } });
const never = () => new Promise<never>(() => {});

describe('verifying accounts', () => {
  it('gets a token for one with oauth and a connection for one without, and tells in their order', async () => {
    const asked: string[] = [];
    const ask = (what: string) => async (account: Account) => {
      asked.push(`${what} ${account.name}`);
    };
    const verifiers = { token: ask('token'), connection: ask('connection') };
    const verdicts = await verifyAll([web('b'), mail('a')], verifiers, {}, new FakeClock());
    expect(asked).toEqual(['connection b', 'token a']);
    expect(verdicts).toEqual([
      { name: 'b', driver: 'ssh', tried: 'connection', ok: true, ms: 0 },
      { name: 'a', driver: 'smtp', tried: 'token', ok: true, ms: 0 },
    ]);
  });

  it('has so many in flight as it may, and begins the next as soon as one is done', async () => {
    const gates = new Map<string, ReturnType<typeof deferred<void>>>();
    const token = ({ name }: Account) => {
      const gate = deferred<void>();
      gates.set(name, gate);
      return gate.promise;
    };
    const accounts = Array.from({ length: 300 }, (_, i) => mail(String(i)));
    const verified = verifyAll(accounts, { token, connection: never }, {}, new FakeClock());
    await settled();
    expect(gates.size).toBe(128);
    // No round: one slow account holds up nobody.
    for (let i = 1; i < 300; i++) {
      gates.get(String(i))?.resolve();
      await settled();
      expect(gates.size).toBe(Math.min(300, 128 + i));
    }
    gates.get('0')?.resolve();
    expect((await verified).map(({ name, ok }) => ok && name)).toEqual(accounts.map(({ name }) => name));
  });

  it('ends each at its own time-out, on the clock, and tells the work to stop', async () => {
    const clock = new FakeClock();
    const stopped: string[] = [];
    const token = ({ name }: Account, signal: AbortSignal) => {
      signal.addEventListener('abort', () => stopped.push(name));
      return name === 'good' ? Promise.resolve() : never();
    };
    const accounts = [mail('mute'), mail('good')];
    const verified = verifyAll(accounts, { token, connection: never }, { timeoutMs: 500 }, clock);
    await settled();
    clock.advance(500);
    const [mute, good] = await verified;
    expect(mute).toMatchObject({ ok: false, ms: 500, error: { code: 'ERR_TIMEOUT' } });
    expect(good).toMatchObject({ ok: true });
    expect(stopped).toEqual(['mute']);
    expect(clock.pending).toBe(0);
  });

  it('gives those a verdict too that the caller cut off', async () => {
    const stop = new AbortController();
    const verifiers = { token: never, connection: never };
    const options = { signal: stop.signal, concurrency: 1 };
    const verified = verifyAll([mail('a'), mail('b')], verifiers, options, new FakeClock());
    await settled();
    stop.abort();
    expect((await verified).map(({ error }) => error?.code)).toEqual(['ERR_CANCELED', 'ERR_CANCELED']);
  });

  it('tells why an account does not work, whatever was thrown', async () => {
    const thrown = [new KeylaneError('ERR_AUTH', 'refused'), new Error('odd')];
    const token = () => Promise.reject(thrown.shift());
    const verdicts = await verifyAll([mail('a'), mail('b')], { token, connection: never }, {}, new FakeClock());
    expect(verdicts.map(({ ok, error }) => [ok, error?.code, error?.message])).toEqual([
      [false, 'ERR_AUTH', 'refused'],
      [false, 'ERR_CONNECT', 'b: Error: odd'],
    ]);
  });

  it.each([[{ concurrency: 0 }], [{ concurrency: 1.5 }], [{ timeoutMs: 0 }], [{ timeoutMs: Number.NaN }]])(
    'refuses %j',
    async (options) => {
      const verified = verifyAll([], { token: never, connection: never }, options, new FakeClock());
      await expect(verified).rejects.toMatchObject({ code: 'ERR_INPUT' });
    },
  );
});
