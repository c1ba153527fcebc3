import type { SmtpRequest } from 'keylane';
import { until } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { startProxy } from '../support/proxy.js';
import { MailServer, refusal } from '../support/smtp-server.js';
import type { DriverUnderTest } from './contract.js';

/** The driver `smtp`, on npm's smtp-server behind a proxy that can cut. */
export const smtpUnderTest: DriverUnderTest<'smtp'> = {
  name: 'smtp',
  // As many as the contract allows a lane: an account's own bound goes before that.
  options: { smtp: { connections: 3 } },
  streams: 1,
  without: { talking: 'a message is sent whole' },
  setup: smtpPeer,
};

async function smtpPeer() {
  const server = await MailServer.start();
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: server.port } });
  const closed = await freePort(['127.0.0.1']);
  let asked = 0;
  let came = 0;
  server.verdict = ({ text }) => {
    if (text.includes('hang')) {
      came++;
      return new Promise(() => undefined);
    }
    return text.includes('no') ? refusal(550, '5.7.1 not wanted') : `2.0.0 has ${text.trim()}`;
  };
  const send = (raw: string, port = proxy.port): SmtpRequest => ({
    host: '127.0.0.1',
    port,
    tls: 'none',
    envelope: { from: 'a@keylane.test', to: 'b@keylane.test' },
    raw,
  });
  const hang = () => {
    asked = came + 1;
    return send('hang');
  };
  return {
    ok: (i: number) => send(`${i}`),
    answer: ({ code, message }: { code: number; message: string }) => ({ code, message }),
    expected: (i: number) => ({ code: 250, message: `has ${i}` }),
    failing: () => send('no'),
    refused: () => send('', closed),
    hanging: hang,
    started: () => until(() => came >= asked),
    losing: hang,
    async lose() {
      await Promise.all(proxy.connections.map((connection) => connection.destroy()));
    },
    async stop() {
      await proxy.stop();
      await server.stop();
    },
  };
}
