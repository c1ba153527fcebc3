import { Socket } from 'node:net';
import { Client } from 'ssh2';
import { expect, test } from 'vitest';
import { algorithmsFor } from '../../../workers/drivers/ssh/algorithms.js';
import { Channels, onRefusedAuth } from '../../../workers/drivers/ssh/transport.js';

/** A client that has a protocol and no connection. */
function client(): Client {
  const made = new Client();
  made.on('error', () => undefined);
  made.connect({ sock: new Socket(), username: 'me', readyTimeout: 0, algorithms: algorithmsFor(new Set()) });
  return made;
}

test('this version of ssh2 has the private parts that the driver stands on', () => {
  const made = client();
  expect(() => new Channels(made)).not.toThrow();
  expect(() => onRefusedAuth(made, () => undefined)).not.toThrow();
});

test('a version of ssh2 without one of them is refused by its name', () => {
  const made = client();
  Object.assign((made as unknown as { _protocol: object })._protocol, { signal: undefined });
  expect(() => new Channels(made)).toThrow('lacks signal');
  expect(() => new Channels(new Client())).toThrow('lacks session, ');
});

test('the messages of our channels come to us, and those of others go to ssh2', () => {
  const made = client();
  const { _handlers } = (made as unknown as { _protocol: { _handlers: Record<string, (...rest: unknown[]) => void> } })
    ._protocol;
  const theirs: unknown[] = [];
  _handlers.CHANNEL_DATA = (...rest) => theirs.push(rest[1]);
  const channels = new Channels(made);
  const ours: unknown[] = [];
  const peer = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...rest: unknown[]) =>
          ours.push([name, ...rest]),
    },
  );
  const channel = channels.add(peer as never);
  const data = Buffer.from('x');
  _handlers.CHANNEL_DATA?.(null, channel, data);
  _handlers.CHANNEL_EXTENDED_DATA?.(null, channel, data, 1);
  _handlers.CHANNEL_REQUEST?.(null, channel, 'exit-status', false, 3);
  _handlers.CHANNEL_DATA?.(null, channel + 1, data);
  expect(ours).toEqual([
    ['received', data, false],
    ['received', data, true],
    ['requested', 'exit-status', false, 3],
  ]);
  channels.remove(channel);
  _handlers.CHANNEL_DATA?.(null, channel, data);
  expect(theirs).toEqual([channel + 1, channel]);
});
