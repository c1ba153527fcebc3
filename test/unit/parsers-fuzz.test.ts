import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { expandHosts, parseHost } from '../../src/targets/hosts.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import type { Command, Reply } from '../../src/wire/protocol.js';
import { readIdentities } from '../../workers/drivers/ssh/agent.js';
import { algorithmsFor } from '../../workers/drivers/ssh/algorithms.js';
import { negotiate, readOffer } from '../../workers/drivers/ssh/kex-facts.js';
import { keyOfBlob, readKeyFile, whyTooSlow } from '../../workers/drivers/ssh/key-file.js';
import { KnownHosts } from '../../workers/drivers/ssh/known-hosts.js';
import { kexFactsOf, logInOf } from '../../workers/drivers/ssh/openssh/debug-lines.js';
import { MuxClient } from '../../workers/drivers/ssh/openssh/mux-client.js';
import { readPrompt } from '../../workers/drivers/ssh/openssh/prompts.js';
import { Frames } from '../../workers/drivers/ssh/sftp/frames.js';
import { Reader } from '../../workers/drivers/ssh/sftp/packets.js';
import type { Wire } from '../../workers/drivers/ssh/wire.js';
import {
  agentAnswer,
  debugLines,
  frames,
  kexInit,
  keyFiles,
  knownHosts,
  muxMessages,
  prompts,
  sftpMessages,
  texts,
} from '../support/corpora.js';
import { cpuMs } from '../support/cpu-time.js';
import { mutated } from '../support/mutate.js';
import { type Random, seeded, seedsOf } from '../support/seed.js';

/** ssh_config has a test of its own: test/unit/targets/ssh-config/fuzz.test.ts. */
const CASES = process.env.KEYLANE_LONG ? 1_000_000 : 3_000;
/** An input of 64 KiB at most holds up its thread for no longer. */
const LONGEST_MS = 50;
/** Of one host that a pattern stands for. */
const MS_EACH = 0.02;

interface Parser {
  corpus: readonly Buffer[];
  /** Throws only what it may. */
  parse(input: Buffer, random: Random): unknown;
  /** Of those that take long by design, a part of the cases. */
  share?: number;
  /** What a few bytes may make much of: how much that was. */
  made?: (result: unknown, input: Buffer) => number;
}

const PARSERS: Record<string, Parser> = {
  'host patterns': {
    corpus: texts('web-[01-20,30].example', 'db[0-10/2],x y', 'root@web-1:2222', '[::1]:22 ::1', 'a[1-3]b[2-5]c'),
    parse: (input) => typed(() => expandHosts(`${input}`.replace(/\d{3,}/g, '99'))),
    // Hosts, up to a million. They are bounded, and take their time; where the last is refused the others were made.
    made: (result, input) =>
      Array.isArray(result) ? result.length : input.filter((byte) => byte === 0x5b).length > 2 ? 1_000_000 : 0,
  },
  'a host': {
    corpus: texts('web-1', 'deploy@web-1:2222', '[::1]:22', 'a@b@c:1', 'root@fe80::1'),
    parse: (input) => typed(() => parseHost(`${input}`)),
  },
  known_hosts: {
    corpus: texts(knownHosts()),
    parse: (input) => {
      const hosts = new KnownHosts(`${input}`, 'f');
      return ['web-1', '[web-1]:2222', 'db.example'].map((name) => hosts.keysOf(name));
    },
  },
  'key files': {
    corpus: keyFiles(),
    parse: (input) => {
      const text = input.toString('latin1');
      return [readKeyFile(text).holds, whyTooSlow(text)];
    },
    share: 1 / 10,
  },
  'answers of an agent': {
    corpus: [agentAnswer()],
    parse: (input) => readIdentities(input)?.map(({ blob }) => keyOfBlob(blob)?.getPublicSSH()),
  },
  'messages of SFTP': {
    corpus: sftpMessages(),
    parse: (input, random) => {
      const messages: unknown[] = [];
      const frames = new Frames((message) => messages.push(readSftp(message)));
      for (const piece of slices(input, random)) if (!frames.add(piece)) break;
      return messages;
    },
  },
  'messages of a master of ssh': {
    corpus: muxMessages(),
    parse: (input, random) => {
      const socket = Object.assign(new EventEmitter(), { write: () => true });
      const told: unknown[] = [];
      const client = new MuxClient(
        socket as unknown as Wire,
        () => undefined,
        (error) => told.push(error),
      );
      const handlers = client._protocol._handlers;
      for (const name of Object.keys(handlers)) handlers[name] = (_, ...rest) => told.push(rest);
      for (const piece of slices(input, random)) {
        socket.emit('data', piece);
        // Who is told ends the connection.
        if (told.at(-1) instanceof Error) break;
      }
      return told;
    },
  },
  KEXINIT: {
    corpus: [kexInit()],
    parse: (input) => {
      const offer = readOffer(input);
      return offer && negotiate(algorithmsFor(new Set()), offer);
    },
  },
  'what ssh -v says': {
    corpus: texts(debugLines()),
    parse: (input) => [kexFactsOf(`${input}`), logInOf(`${input}`, 'strict')],
  },
  'what ssh asks': {
    corpus: texts(...prompts()),
    parse: (input) => readPrompt(`${input}`, { user: 'me', host: 'web-17', name: 'web-17', identities: ['/k'] }),
  },
  'frames between threads': {
    corpus: frames(),
    // Only our own other half writes them. What it could not have written may be refused in any words, but must end.
    parse: (input) => {
      const nobody = { run: () => undefined, response: () => undefined, other: () => undefined };
      try {
        new FrameReader<Command | Reply>().read(new Uint8Array(input), nobody);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
      }
    },
  },
};

test.each(seedsOf('parsers').flatMap((seed) => Object.keys(PARSERS).map((name) => ({ name, seed }))))(
  'whatever comes, it is read or refused with a typed error, at once: $name (X6, seed $seed)',
  ({ name, seed }) => {
    const random = seeded(seed);
    const { corpus, parse, share = 1, made = () => 0 } = PARSERS[name] as Parser;
    for (const whole of corpus) parse(whole, random);
    for (let left = CASES * share; left > 0; left--) {
      const input = mutated(random, corpus);
      const from = performance.now();
      let most = LONGEST_MS;
      try {
        most += made(parse(input, random), input) * MS_EACH;
      } catch (error) {
        throw new Error(`${input.toString('base64')} made it throw`, { cause: error });
      }
      // The machine is busy with other tests: what counts is the time that was ours.
      if (performance.now() - from <= most) continue;
      expect(
        cpuMs(() => void parse(input, random)),
        input.toString('base64'),
      ).toBeLessThanOrEqual(most);
    }
  },
  Math.max(60_000, CASES * 10),
);

test.each<[string, () => unknown]>([
  ['a password among colons', () => typed(() => parseHost(`${':'.repeat(1_000_000)}`))],
  ['a range over and over', () => typed(() => expandHosts(`a[${'1-40000,'.repeat(50_000)}1]`))],
  ['ranges of ranges', () => typed(() => expandHosts(`a${'[0-90000]'.repeat(10_000)}`))],
  ['the same hosts again', () => typed(() => expandHosts('a[0-40000],'.repeat(50_000)))],
])('what is short to write is not long to read: %s', (_name, read) => {
  // A million hosts take a second or two. Each of these took minutes, or all memory.
  expect(cpuMs(read, 1)).toBeLessThan(10_000);
});

/** The hosts' errors name what is wrong. */
function typed(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_INPUT') return error.message;
    throw error;
  }
}

function slices(input: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  const most = random.pick([1, 10, 1_000, 100_000]);
  for (let at = 0; at < input.length; ) {
    const length = Math.max(1 + random.below(most), input.length / 100);
    pieces.push(input.subarray(at, at + length));
    at += Math.floor(length);
  }
  return pieces;
}

/** As the client reads what it expects. A message that is too short is a RangeError, and nothing else. */
function readSftp(message: Buffer): unknown {
  const reader = new Reader(message.subarray(1));
  try {
    const id = reader.uint32();
    if (message[0] === 2) return [reader.text(), reader.text()];
    if (message[0] === 101) return [reader.uint32(), reader.text()];
    if (message[0] === 104) return [reader.uint32(), reader.text(), reader.text(), reader.attributes()];
    if (message[0] === 105) return reader.attributes();
    return [id, reader.bytes()];
  } catch (error) {
    if (error instanceof RangeError) return error;
    throw error;
  }
}
