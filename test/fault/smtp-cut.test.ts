import type { Engine, SmtpRequest } from 'keylane';
import { createEngine } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure } from '../support/engine.js';
import { CLOSE, EHLO, ScriptedServer } from '../support/smtp-script.js';

/**
 * A message that a server may have is not sent again by itself, and one that it cannot have is. (PROMISES M2, RFC 1047)
 */
let engine: Engine;
let server: ScriptedServer;
beforeAll(async () => {
  engine = await createEngine({ shards: 1 });
  server = await ScriptedServer.start();
});
afterAll(async () => {
  await engine.close();
  await server.stop();
});

let last = 0;
/** For a lane of its own, so that no test gets another's connection. */
const mail = (raw = 'hello\r\n'): SmtpRequest => ({
  host: '127.0.0.1',
  port: server.port,
  tls: 'none',
  clientName: `test-${++last}`,
  envelope: { from: 'a@keylane.test', to: ['b@keylane.test'] },
  raw,
});
/** Cuts the first connection only, at the step. */
const once = (step: string, cut = CLOSE) => {
  let cuts = 0;
  const polite: Record<string, string> = {
    EHLO,
    greeting: '220 here',
    MAIL: '250 ok',
    RCPT: '250 ok',
    DATA: '354 go on',
    end: '250 ok',
  };
  return { [step]: (dialogue: Parameters<typeof CLOSE>[0]) => (cuts++ === 0 ? cut(dialogue) : polite[step]) };
};

describe.each(['EHLO without PIPELINING', 'EHLO with PIPELINING'])('with an %s', (which) => {
  const ehlo = which.includes('without') ? '250 here' : EHLO;

  test.each([1, 3])(
    'a cut after the final dot is unknown, and the message went out once, with %i attempts',
    async (attempts) => {
      server.now({ EHLO: ehlo, ...once('end') });
      const error = await failure(engine.run('smtp', mail(), { attempts }));
      expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown', retryable: false });
      expect(error.message).toContain('after the end of the message');
      expect(error.message).toContain('may have it');
      expect(server.messages).toEqual(['hello']);
    },
  );

  test('a reset after the final dot is the same', async () => {
    server.now({ EHLO: ehlo, ...once('end', (dialogue) => dialogue.reset()) });
    const error = await failure(engine.run('smtp', mail(), { attempts: 3 }));
    expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
    expect(server.messages).toHaveLength(1);
  });

  test.each(['MAIL', 'RCPT', 'DATA'])('a cut at %s has sent nothing', async (step) => {
    server.now({ EHLO: ehlo, [step]: CLOSE });
    const error = await failure(engine.run('smtp', mail()));
    expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started', retryable: true });
    expect(error.message).toContain('nothing was sent');
    expect(server.messages).toEqual([]);
  });

  test.each(['greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA'])('a cut at %s costs a second try', async (step) => {
    server.now({ EHLO: ehlo, ...once(step) });
    expect(await engine.run('smtp', mail(), { attempts: 3 })).toMatchObject({ code: 250 });
    expect(server.messages).toEqual(['hello']);
  });
});

test('a cut in the middle of a long message has sent nothing: no end of it was there', async () => {
  const long = 'x'.repeat(900).concat('\r\n').repeat(20_000);
  server.now({
    DATA: (dialogue) => {
      dialogue.say('354 go on');
      return dialogue.reset();
    },
  });
  const error = await failure(engine.run('smtp', mail(long)));
  expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started' });
  expect(server.messages).toEqual([]);
});

test('a message whose call says that it may be sent twice is tried again', async () => {
  server.now(once('end'));
  expect(await engine.run('smtp', mail(), { attempts: 3, idempotent: true })).toMatchObject({ code: 250 });
  expect(server.messages).toEqual(['hello', 'hello']);
});
