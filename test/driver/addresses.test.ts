import { createServer, isIP, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { HttpTarget } from '../../src/specs/http.js';
import { makeSmtpSpec, type SmtpTarget } from '../../src/specs/smtp.js';
import { makeSshSpec, type SshTarget } from '../../src/specs/ssh.js';
import { load as loadHttp } from '../../workers/drivers/http/index.js';
import { load as loadSmtp } from '../../workers/drivers/smtp/index.js';
import { load as loadSsh } from '../../workers/drivers/ssh/index.js';
import { startDeaf } from '../support/deaf.js';
import { FakeOpen } from '../support/driver-context.js';
import { until } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { socketsTo } from '../support/tcp.js';

/** A server that takes connections and says nothing: for each driver the open goes on there, and no further. */
let server: Server;
let port: number;
const taken = new Set<Socket>();
const WHERE = '127.0.61.1';
const DEAF = ['127.0.61.2', '127.0.61.3'] as const;
const deaf: AsyncDisposable[] = [];
/** Sockets that fill the queues of those. */
let held: number;
const NOBODY = '127.0.61.9';
beforeAll(async () => {
  server = createServer((socket) => {
    taken.add(socket);
    socket.on('error', () => undefined).on('close', () => taken.delete(socket));
    socket.resume();
  });
  port = await freePort([WHERE, ...DEAF]);
  await new Promise<void>((resolve) => server.listen(port, WHERE, resolve));
  deaf.push(...(await Promise.all(DEAF.map((address) => startDeaf(address, port)))));
  held = socketsTo(new Set([port]));
});
afterAll(async () => {
  await Promise.all(deaf.map((one) => one[Symbol.asyncDispose]()));
  await new Promise((resolve) => server.close(resolve));
});

type Open = (context: FakeOpen) => Promise<unknown>;
const drivers: [name: string, open: Open][] = [
  ['ssh', async (context) => (await loadSsh()).open(sshTarget(), context)],
  ['smtp', async (context) => (await loadSmtp()).open(smtpTarget(), context)],
  [
    'http',
    async (context) => (await loadHttp()).open({ origin: `https://web.example:${port}` } as HttpTarget, context),
  ],
];

function sshTarget(): SshTarget {
  const request = { host: 'web.example', port, user: 'me', password: 'env:P', hostKeys: 'insecure', command: 'true' };
  return makeSshSpec({}).parse(request as never).target as SshTarget;
}

function smtpTarget(): SmtpTarget {
  const envelope = { from: 'a@example.com', to: ['b@example.com'] };
  return makeSmtpSpec({}).parse({ host: 'web.example', port, tls: 'none', envelope, raw: 'x' }).target as SmtpTarget;
}

describe.each(drivers)('%s', (_name, open) => {
  /** Begins to open; called off when the test is over. */
  function begin(...found: string[]) {
    const lookup = () => found.map((address) => ({ address, family: isIP(address) }));
    const context = new FakeOpen({ lookup, secret: () => 'secret' }, 30_000);
    const ended = open(context).then(
      () => 'open',
      (error: KeylaneError) => error,
    );
    const reason = new KeylaneError('ERR_CLOSED', 'called off');
    const callOff = () => {
      context.controller.abort(reason);
      return ended;
    };
    onTestFinished(async () => void (await callOff()));
    return { callOff, ended, reason };
  }

  test('an address that does not answer is not waited for, and lets go of its socket', async () => {
    const begun = performance.now();
    const { callOff, reason } = begin(DEAF[0], WHERE);
    await until(() => taken.size === 1);
    // A part of its time would be ten seconds.
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(await callOff()).toBe(reason);
    await until(() => taken.size === 0 && socketsTo(new Set([port])) <= held);
  });

  test('one that is called off among addresses that do not answer leaves no socket', async () => {
    const { callOff, reason } = begin(...DEAF);
    await until(() => socketsTo(new Set([port])) === held + 2);
    expect(await callOff()).toBe(reason);
    await until(() => socketsTo(new Set([port])) <= held);
  });

  test('one address refuses, of IPv6 too, and the next is connected to', async () => {
    const { callOff, reason } = begin('::1', NOBODY, WHERE);
    await until(() => taken.size === 1);
    expect(await callOff()).toBe(reason);
    await until(() => taken.size === 0);
  });

  test('all of them refuse: the last answer of a host is told, and where it came from', async () => {
    const { ended } = begin(NOBODY, '::1');
    const { code, outcome, retryable, message } = (await ended) as KeylaneError;
    expect({ code, outcome, retryable }).toEqual({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: true });
    expect(message).toMatch(/: the connection was refused: nothing listens there \((127\.0\.61\.9|::1)\)$/);
  });
});
