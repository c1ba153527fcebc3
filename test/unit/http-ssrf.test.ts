import { isIP, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { HttpOptions, HttpRequest } from '../../src/http-types.js';
import { type HttpTarget, makeHttpSpec } from '../../src/specs/http.js';
import { deniedBy } from '../../src/util/networks.js';
import { load } from '../../workers/drivers/http/index.js';
import { FakeOpen } from '../support/driver-context.js';
import { SSRF_URLS } from '../support/ssrf-corpus.js';

/** Whom a connection was asked for: nothing leaves this process, each is refused at once. */
let connected: { host: string; port: number }[] = [];
beforeEach(() => {
  connected = [];
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...args: unknown[]) {
    connected.push(args[0] as (typeof connected)[0]);
    queueMicrotask(() => this.emit('error', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })));
    return this;
  } as never);
});
afterEach(() => vi.restoreAllMocks());

/** By name, the answers of each look-up in turn; the last one stands. */
class Names {
  readonly #answers = new Map<string, string[][]>();

  say(host: string, ...answers: string[][]): this {
    this.#answers.set(host, answers);
    return this;
  }

  readonly lookup = (host: string) => {
    const answers = this.#answers.get(host);
    const addresses = (answers && answers.length > 1 ? answers.shift() : answers?.[0]) ?? ['127.0.0.1', '::1'];
    return addresses.map((address) => ({ address, family: isIP(address) }));
  };
}

async function open(url: string, names: Names, options: HttpOptions = { deny: 'private' }): Promise<string> {
  const driver = await load();
  try {
    const { target } = makeHttpSpec(options).parse({ url } as HttpRequest);
    await driver.open(target as HttpTarget, new FakeOpen({ lookup: names.lookup }));
    return 'connected';
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    expect(error.outcome).toBe('not_started');
    return error.code;
  }
}

test('of 150 URLs that lead inside, whatever their names resolve to, none leads to a connection', async () => {
  expect(new Set(SSRF_URLS).size).toBeGreaterThanOrEqual(150);
  const told = new Map<string, number>();
  for (const url of SSRF_URLS) {
    const code = await open(url.replaceAll('{port}', '8080'), new Names());
    expect(['ERR_INPUT', 'ERR_DENIED'], url).toContain(code);
    told.set(code, (told.get(code) ?? 0) + 1);
  }
  expect(connected).toEqual([]);
  // Of both kinds: those that are no URLs, and those whose address is denied.
  expect(told.get('ERR_INPUT')).toBeGreaterThan(30);
  expect(told.get('ERR_DENIED')).toBeGreaterThan(100);
});

test('without networks that are denied, the same addresses are connected to', async () => {
  for (const url of ['http://127.0.0.1:8080/', 'http://0x7f.1:8080/', 'http://localhost:8080/'])
    expect(await open(url, new Names(), {})).toBe('ERR_CONNECT');
  expect(new Set(connected.map(({ host, port }) => `${host} ${port}`))).toEqual(
    new Set(['127.0.0.1 8080', '::1 8080']),
  );
});

test('a name that is another address at the next look-up leads nowhere else', async () => {
  const names = new Names().say('rebinding.example', ['1.1.1.1'], ['127.0.0.1'], ['169.254.169.254', '::1']);
  const url = 'http://rebinding.example:8080/';
  expect(await open(url, names)).toBe('ERR_CONNECT');
  expect(await open(url, names)).toBe('ERR_DENIED');
  expect(await open(url, names)).toBe('ERR_DENIED');
  // Connected to by the address that was looked at, never by the name, which would be looked up once more.
  expect(connected).toEqual([expect.objectContaining({ host: '1.1.1.1', port: 8080 })]);
});

test('of a name with several addresses only those that may be are connected to', async () => {
  const names = new Names().say('both.example', ['10.0.0.1', '1.1.1.1', '::ffff:127.0.0.1', '2606:4700::1111']);
  expect(await open('http://both.example/', names)).toBe('ERR_CONNECT');
  expect(connected.map(({ host }) => host)).toEqual(['1.1.1.1', '2606:4700::1111']);
  for (const { host } of connected) expect(deniedBy(host, { deny: 'private' })).toBeUndefined();
});

test('a proxy that the request names is looked at as what is connected to, and so is an address behind it', async () => {
  const names = new Names().say('inside.example', ['10.0.0.1']).say('outside.example', ['1.1.1.1']);
  const driver = await load();
  const spec = makeHttpSpec({ deny: 'private' });
  const through = async (url: string, proxy: string) => {
    const { target } = spec.parse({ url, proxy });
    await driver.open(target as HttpTarget, new FakeOpen({ lookup: names.lookup }));
  };
  for (const proxy of ['http://127.0.0.1:3128', 'http://inside.example', 'http://[::1]', 'http://0'])
    await expect(through('https://outside.example', proxy), proxy).rejects.toMatchObject({ code: 'ERR_DENIED' });
  await expect(through('https://127.0.0.1', 'http://outside.example')).rejects.toMatchObject({ code: 'ERR_DENIED' });
  expect(connected).toEqual([]);
  await expect(through('https://outside.example', 'http://outside.example:3128')).rejects.toMatchObject({
    code: 'ERR_CONNECT',
  });
  expect(connected.map(({ host, port }) => `${host} ${port}`)).toEqual(['1.1.1.1 3128']);
});

test('an origin of the configuration may be where it likes, and no other on its host', async () => {
  const options: HttpOptions = { deny: 'private', origins: { 'http://localhost:8080': {} } };
  expect(await open('http://localhost:8080/x', new Names(), options)).toBe('ERR_CONNECT');
  expect(connected.length).toBeGreaterThan(0);
  connected = [];
  for (const url of [
    'http://localhost:8081/',
    'https://localhost:8080/',
    'http://localhost.:8080/',
    'http://127.0.0.1:8080/',
  ])
    expect(await open(url, new Names(), options), url).toBe('ERR_DENIED');
  expect(connected).toEqual([]);
});
