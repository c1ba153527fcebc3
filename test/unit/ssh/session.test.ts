import { expect, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.js';
import type { ExecOrder } from '../../../src/specs/ssh.js';
import { StreamsExceeded } from '../../../src/types.js';
import { Deadlines } from '../../../src/util/deadlines.js';
import { Session } from '../../../workers/drivers/ssh/session.js';
import type { SessionHost, SudoOf } from '../../../workers/drivers/ssh/session-host.js';
import { Slots } from '../../../workers/drivers/ssh/slots.js';
import type { Transport } from '../../../workers/drivers/ssh/transport.js';
import { FakeExecute } from '../../support/driver-context.js';
import { FakeClock } from '../../support/fake-clock.js';
import { rejection } from '../../support/ssh-harness.js';

/** A connection without a server: what is sent is written down, time is turned by hand. */
class FakeHost implements SessionHost {
  readonly key = 'a:22';
  readonly answerMs = 10_000;
  readonly slots = new Slots();
  forwardAgent = false;
  readonly pressure = { tooMuch: () => false };
  readonly clock = new FakeClock();
  readonly sent: string[] = [];
  readonly transport: Transport;
  others = { running: 0, lingering: 0 };
  retired = false;
  destroyed: Error | undefined = undefined;
  readonly context: FakeExecute;
  readonly session: Session;
  readonly #deadlines: Deadlines<Session>;

  constructor(order: Partial<ExecOrder> = {}, context = new FakeExecute(), sudo?: SudoOf) {
    const note =
      (_: object, name: string) =>
      (_channel: number, ...rest: unknown[]) =>
        void this.sent.push([name, ...rest].join(' '));
    this.transport = new Proxy({}, { get: note as never }) as Transport;
    this.context = context;
    this.session = new Session(
      this,
      { op: 'exec', command: 'x', maxOutputBytes: 100, encoding: 'utf8', ...order },
      context,
      sudo,
    );
    this.#deadlines = new Deadlines<Session>(
      this.clock,
      () => [this.session],
      (session) => session.overdue(),
    );
    this.session.open(0);
  }

  now = () => this.clock.now();
  watch = (dueAt: number) => this.#deadlines.watch(dueAt);
  count = () => this.others;
  retire = () => {
    this.retired = true;
  };
  destroy = (error: Error) => {
    this.destroyed = error;
  };
  reopen = (session: Session) => session.open(1);
  outlived = () => {
    this.others.lingering++;
  };
  removed = () => undefined;
  /** What is to be called when the server answers. */
  pings: (() => void)[] = [];
  silent = false;
  ping = (answered: () => void) => {
    if (this.silent) this.pings.push(answered);
    else answered();
  };
  swept: 'killed' | 'left running' | 'unknown' = 'killed';
  sweep = () => Promise.resolve(this.swept);

  /** Past the reply to `exec`. */
  running(): this {
    this.session.opened(7, 1 << 20, 32_768);
    this.session.replied(true);
    this.sent.length = 0;
    return this;
  }
}

const said = (text: string) => Buffer.from(text);

test('a command leaves with its end of input in one go, before the server answered', () => {
  const host = new FakeHost();
  expect(host.sent).toEqual([expect.stringMatching(/^session/)]);
  host.session.opened(7, 1 << 20, 32_768);
  expect(host.sent.slice(1)).toEqual(['exec x true', 'channelEOF']);
  expect(host.context.sents).toBe(1);
});

test('a quiet channel is closed one second after the exit status', async () => {
  const host = new FakeHost().running();
  host.session.received(said('out'), false);
  host.session.requested('exit-status', false, 3);
  host.clock.advance(900);
  expect(host.sent).toEqual([]);
  host.clock.advance(150);
  expect(host.sent).toEqual(['channelClose']);
  expect(await host.session.result).toMatchObject({ code: 3, stdout: 'out' });
});

test('output that still comes after the exit status is waited for, but not for ever', async () => {
  const host = new FakeHost({ maxOutputBytes: 1_000 }).running();
  host.session.requested('exit-status', false, 0);
  let closedAfter = 0;
  for (let at = 0; at < 60_000 && closedAfter === 0; at += 500) {
    host.session.received(said('.'), false);
    host.clock.advance(500);
    if (host.sent.includes('channelClose')) closedAfter = at;
  }
  expect(closedAfter).toBeGreaterThan(28_000);
  expect(closedAfter).toBeLessThan(33_000);
  expect(((await host.session.result).stdout as string).length).toBeGreaterThan(50);
});

test('a quiet channel is taken for the end of the output only if the server is still there', async () => {
  const host = new FakeHost().running();
  host.silent = true;
  host.session.requested('exit-status', false, 0);
  host.clock.advance(1_200);
  expect([host.pings.length, host.sent]).toEqual([1, []]);
  // It had been on its way all the time.
  host.session.received(said('late'), false);
  host.pings.shift()?.();
  expect(host.sent).toEqual([]);
  host.clock.advance(1_200);
  host.pings.shift()?.();
  expect(host.sent).toEqual(['channelClose']);
  expect(await host.session.result).toMatchObject({ code: 0, stdout: 'late' });
});

test('a status without the end of the output, from a server that is silent since, is no answer', async () => {
  const host = new FakeHost().running();
  host.silent = true;
  host.session.received(said('a part'), false);
  host.session.requested('exit-status', false, 0);
  const failed = rejection(host.session.result);
  host.clock.advance(60_000);
  expect(await failed).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
});

test('after the exit status a request of the server is still answered', () => {
  const host = new FakeHost().running();
  host.session.requested('exit-status', false, 0);
  host.session.requested('keepalive@openssh.com', true, undefined);
  expect(host.sent).toEqual(['channelFailure']);
});

test('a signal is named as Node names it', async () => {
  for (const [name, signal] of [
    ['TERM', 'SIGTERM'],
    ['SIG@openssh.com', 'SIG@openssh.com'],
  ]) {
    const host = new FakeHost().running();
    host.session.requested('exit-signal', false, { signal: name });
    host.session.closed();
    expect(await host.session.result).toMatchObject({ code: null, signal });
  }
});

test('a command that does not end gets SIGTERM, then SIGKILL, and is given up after 150 ms', async () => {
  const host = new FakeHost().running();
  host.context.controller.abort(new KeylaneError('ERR_TIMEOUT', 'too late'));
  expect(host.sent).toEqual(['signal TERM']);
  host.clock.advance(120);
  expect(host.sent).toEqual(['signal TERM', 'signal KILL']);
  host.clock.advance(80);
  expect(host.sent).toEqual(['signal TERM', 'signal KILL', 'channelClose']);
  const error = await rejection(host.session.result);
  expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  expect(error.message).toContain('nobody knows whether it still runs');
  expect(host.others.lingering).toBe(1);
  expect(host.clock.pending).toBe(0);
});

test('a refusal counts only if every close before it was done', async () => {
  const unsure = new FakeHost();
  unsure.slots.closed();
  unsure.session.open(2);
  unsure.others = { running: 3, lingering: 0 };
  unsure.sent.length = 0;
  unsure.session.refused(2, 'open failed');
  expect(unsure.sent).toEqual([expect.stringMatching(/^session/)]);
  unsure.session.refused(2, 'open failed');
  expect(await rejection(unsure.session.result)).toMatchObject({ constructor: StreamsExceeded, streams: 3 });
});

test('where commands that outlived their request may be what fills the server, the connection is left', async () => {
  const host = new FakeHost();
  host.others = { running: 1, lingering: 2 };
  host.session.refused(2, 'open failed');
  expect(await rejection(host.session.result)).toMatchObject({ streams: 3 });
  expect(host.retired).toBe(true);
});

test('a channel that opens after its request was called off is closed, and nothing is sent on it', async () => {
  const host = new FakeHost();
  host.context.controller.abort(new KeylaneError('ERR_CANCELED', 'enough'));
  expect(await rejection(host.session.result)).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
  host.session.opened(7, 1 << 20, 32_768);
  expect(host.sent.slice(1)).toEqual(['channelClose']);
  expect(host.context.sents).toBe(0);
});

test.each([
  ['before the channel is open', (_: FakeHost) => undefined, 'not_started'],
  ['before the reply', (host: FakeHost) => host.session.opened(7, 1 << 20, 32_768), 'unknown'],
  ['while it runs', (host: FakeHost) => host.running(), 'unknown'],
  [
    'after the status, before the end of the output',
    (host: FakeHost) => host.running().session.requested('exit-status', false, 0),
    'unknown',
  ],
])('a connection that is cut %s leaves the command %s', async (_when, before, outcome) => {
  const host = new FakeHost();
  before(host);
  host.session.cut(new KeylaneError('ERR_CONNECTION_LOST', 'cut'));
  expect(await rejection(host.session.result)).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome });
});

test('with status and end of output a command is answered, though the connection is cut', async () => {
  const host = new FakeHost().running();
  host.session.requested('exit-status', false, 0);
  host.session.ended();
  host.session.cut(new KeylaneError('ERR_CONNECTION_LOST', 'cut'));
  expect(await host.session.result).toMatchObject({ code: 0 });
});

test('input is cut to the window and the packet size of the server', () => {
  const host = new FakeHost({ stdin: 'abcdefgh' });
  host.session.opened(7, 5, 3);
  expect(host.sent.slice(2)).toEqual(['channelData abc', 'channelData de']);
  host.session.granted(10);
  expect(host.sent.slice(4)).toEqual(['channelData fgh', 'channelEOF']);
});

test('a connection that is lost while a command is stopped leaves open what became of it', async () => {
  const host = new FakeHost({ killTree: true }).running();
  host.context.controller.abort(new KeylaneError('ERR_CANCELED'));
  host.session.cut(new KeylaneError('ERR_CONNECTION_LOST', 'cut'));
  expect(await rejection(host.session.result)).toMatchObject({ code: 'ERR_CANCELED', stopped: 'unknown' });
});

test('a stop with killTree says what the look at the host said', async () => {
  for (const swept of ['killed', 'left running', 'unknown'] as const) {
    const host = new FakeHost({ killTree: true }).running();
    host.swept = swept;
    host.context.controller.abort(new KeylaneError('ERR_TIMEOUT'));
    host.session.requested('exit-signal', false, { signal: 'TERM' });
    expect(await rejection(host.session.result)).toMatchObject({ outcome: 'unknown', stopped: swept });
  }
});

test('silence is counted from the last byte, and only while the command runs', async () => {
  const host = new FakeHost({ silenceMs: 1_000 }).running();
  host.clock.advance(900);
  host.session.received(said('a'), false);
  host.clock.advance(900);
  expect(host.sent).toEqual([]);
  host.clock.advance(200);
  expect(host.sent).toEqual(['signal TERM']);
  host.session.requested('exit-signal', false, { signal: 'TERM' });
  expect(await rejection(host.session.result)).toMatchObject({ code: 'ERR_TIMEOUT', stopped: 'killed' });
});

/** A command that sudo has let through, with what it says then. */
function bySudo(): { host: FakeHost; mark: Buffer } {
  const host = new FakeHost({}, new FakeExecute(), { user: 'root', password: undefined });
  host.session.opened(7, 1 << 20, 32_768);
  host.session.replied(true);
  const [mark] = /\[keylane [0-9a-f]+ begins\]/.exec(host.sent.join()) ?? [];
  return { host, mark: said(mark as string) };
}

test('what a command by sudo wrote to stdout is its output, though the server read it before stderr', async () => {
  const { host, mark } = bySudo();
  host.session.received(said('out\n'), false);
  host.session.received(mark, true);
  host.session.requested('exit-status', false, 0);
  host.session.closed();
  expect(await host.session.result).toMatchObject({ code: 0, stdout: 'out\n', stderr: '' });
});

test('a status that comes before what the command wrote does not say that sudo refused', async () => {
  const { host, mark } = bySudo();
  host.session.requested('exit-status', false, 4);
  host.session.received(mark, true);
  host.session.received(said('out\n'), false);
  host.session.closed();
  expect(await host.session.result).toMatchObject({ code: 4, stdout: 'out\n' });
});

test('a command that was not let through by sudo by the end of its channel did not run', async () => {
  const { host } = bySudo();
  host.session.requested('exit-status', false, 1);
  host.session.received(said('sudo: a password is required'), true);
  host.session.closed();
  expect(await rejection(host.session.result)).toMatchObject({ code: 'ERR_SUDO', outcome: 'not_started' });
});
