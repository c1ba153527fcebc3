import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { expandHosts } from '../../src/targets/hosts.js';
import { parseLine } from '../../src/targets/ssh-config/line.js';
import { encode } from '../../src/wire/codec.js';
import type { Command, Reply } from '../../src/wire/protocol.js';
import { packed } from '../../workers/drivers/ssh/blob.js';
import { hashed } from '../../workers/drivers/ssh/known-hosts.js';
import { frames, knownHosts, texts } from '../support/corpora.js';
import { mutated } from '../support/mutate.js';
import { runProgram } from '../support/programs/run.js';
import { type Random, seeded, seedsOf } from '../support/seed.js';

const DIST = new URL('../../dist/', import.meta.url).href;
/** Large, so that what does not depend on an input's length counts for little. ssh_config may have no more. */
const LENGTH = 1_000_000;
/** That little: code that is compiled, and the garbage between two collections. */
const ASIDE = 2 << 20;
const DAMAGED = process.env.KEYLANE_LONG ? 20 : 1;

interface Input {
  parser: 'host patterns' | 'known_hosts' | 'ssh_config' | 'frames between threads';
  what: string;
  /** One text, or the frames. */
  parts: readonly (string | Uint8Array)[];
  /** What it stands for is longer than it is: by so many bytes. */
  more?: number;
}

const parsers: { parser: Input['parser']; times: number; dense: number }[] = [
  { parser: 'host patterns', times: 10, dense: 40 },
  { parser: 'known_hosts', times: 10, dense: 50 },
  // A line of it is an object with a place, for messages. No file may have more than 1 MiB, all together 4.
  { parser: 'ssh_config', times: 32, dense: 160 },
  { parser: 'frames between threads', times: 10, dense: 80 },
];

test.each(seedsOf('parser-memory').flatMap((seed) => parsers.map((one) => ({ ...one, seed }))))(
  'what is read takes at most $times times its length of memory, $dense times where it is nothing but separators: $parser (X6, seed $seed)',
  async ({ parser, times, dense, seed }) => {
    const random = seeded(seed);
    const usual = [...asWritten(), ...Array.from({ length: DAMAGED }, () => damaged(parser, random))];
    const inputs = [...usual, ...asDenseAsCanBe()].filter((input) => input.parser === parser);
    const took = await measured(inputs);
    for (const [at, { what, parts, more = 0 }] of inputs.entries()) {
      const { most, kept, code } = took[at] as Took;
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      const bound = (usual.includes(inputs[at] as Input) ? times : dense) * (length + more) + ASIDE;
      expect(most, `${what} of ${length} bytes (${code}) took`).toBeLessThan(bound);
      expect(kept, `${what} of ${length} bytes (${code}) kept`).toBeLessThan(bound);
    }
  },
  60_000 + DAMAGED * 10_000,
);

interface Took {
  most: number;
  kept: number;
  code: string;
}

async function measured(inputs: readonly Input[]): Promise<Took[]> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-parsers-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'inputs');
  const written = inputs.map(({ parser, parts }) => ({
    parser,
    parts: parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  }));
  const base64 = (_: string, value: unknown) =>
    (value as { type?: string })?.type === 'Buffer' ? Buffer.from(value as never).toString('base64') : value;
  writeFileSync(file, JSON.stringify(written, base64));
  const { stdout } = await runProgram('parser-memory', [DIST, file], ['--expose-gc', '--max-semi-space-size=1']);
  return JSON.parse(stdout) as Took[];
}

const KEY = packed('ssh-ed25519').toString('base64');
const BLOB = Buffer.concat([packed('ssh-ed25519'), packed(Buffer.alloc(32, 7))]).toString('base64');

/** As people and programs write them. */
function asWritten(): Input[] {
  return [
    { parser: 'host patterns', what: 'names', parts: [many((i) => `web-${i}.example.com,`)] },
    { parser: 'host patterns', what: 'users and ports', parts: [many((i) => `root@web-${i}:2222 `)] },
    { parser: 'host patterns', what: 'a range', parts: ['web-[1-200000].example.com'], more: 200_000 * 21 },
    { parser: 'known_hosts', what: 'names', parts: [many((i) => `web-${i} ssh-ed25519 ${BLOB}\n`)] },
    {
      parser: 'known_hosts',
      what: 'several names',
      parts: [many((i) => `web-${i},10.0.0.${i} ssh-ed25519 ${BLOB}\n`)],
    },
    {
      parser: 'known_hosts',
      what: 'hashed names',
      parts: [many((i) => `${hashed(`web-${i}`)} ssh-ed25519 ${BLOB}\n`)],
    },
    {
      parser: 'ssh_config',
      what: 'hosts',
      parts: [many((i) => `Host web-${i}\n  HostName 10.0.0.${i}\n  User deploy\n  IdentityFile ~/.ssh/id_${i}\n\n`)],
    },
    { parser: 'frames between threads', what: 'responses', parts: answers({ code: 0, stdout: 'ok\n', stderr: '' }) },
    { parser: 'frames between threads', what: 'output', parts: answers({ stdout: 'x'.repeat(50_000) }) },
    { parser: 'frames between threads', what: 'a large output', parts: answers({ stdout: 'x'.repeat(LENGTH) }) },
    { parser: 'frames between threads', what: 'large bytes', parts: answers({ stdout: Buffer.alloc(LENGTH) }) },
  ];
}

/** What is worst for each: as many things as there is room for. */
function asDenseAsCanBe(): Input[] {
  const tiny = packed('a').toString('base64');
  const names = many((i) => `${i.toString(36)},`);
  return [
    { parser: 'host patterns', what: 'short names', parts: [names] },
    { parser: 'host patterns', what: 'the same name', parts: ['a,'.repeat(LENGTH / 2)] },
    { parser: 'host patterns', what: 'brackets', parts: ['[1]'.repeat(LENGTH / 3)] },
    { parser: 'host patterns', what: 'numbers', parts: [`a[${names.replace(/[^\d,]/g, '1')}1]`] },
    { parser: 'known_hosts', what: 'short names', parts: [`${names} a ${tiny}`] },
    { parser: 'known_hosts', what: 'patterns', parts: [`${names.replaceAll(',', '*,')} a ${tiny}`] },
    { parser: 'known_hosts', what: 'short lines', parts: [many((i) => `${i.toString(36)} a ${tiny}\n`)] },
    { parser: 'known_hosts', what: 'short hashes', parts: [`|1|| a ${tiny}\n`.repeat(LENGTH / 17)] },
    { parser: 'known_hosts', what: 'no lines', parts: ['\n'.repeat(LENGTH)] },
    { parser: 'known_hosts', what: 'words', parts: [`a ssh-ed25519 ${KEY}${' a'.repeat(LENGTH / 2)}`] },
    { parser: 'ssh_config', what: 'blocks', parts: ['Host a\n'.repeat(LENGTH / 7)] },
    { parser: 'ssh_config', what: 'patterns', parts: [`Host${' a'.repeat(LENGTH / 2)}`] },
    { parser: 'ssh_config', what: 'values', parts: ['User a\n'.repeat(LENGTH / 7)] },
    { parser: 'ssh_config', what: 'variables', parts: [`SendEnv${' A'.repeat(LENGTH / 2)}`] },
    { parser: 'ssh_config', what: 'jumps', parts: [`ProxyJump ${'a,'.repeat(LENGTH / 2)}a`] },
    { parser: 'ssh_config', what: 'no lines', parts: ['\n'.repeat(LENGTH)] },
    {
      parser: 'frames between threads',
      what: 'small arrays',
      parts: answers(Array.from({ length: 200_000 }, () => [])),
    },
    { parser: 'frames between threads', what: 'numbers', parts: answers(Array.from({ length: LENGTH }, () => 1)) },
    {
      parser: 'frames between threads',
      what: 'small bytes',
      parts: answers(Array.from({ length: 200_000 }, () => Buffer.from('a'))),
    },
    // An array of 32 Mi items, and what it has of them.
    {
      parser: 'frames between threads',
      what: 'a length',
      parts: [Buffer.from([0xdd, 1, 255, 255, 255])],
      more: LENGTH,
    },
  ];
}

/** Good inputs, damaged, one after the other: those that are refused would end it all. */
function damaged(parser: Input['parser'], random: Random): Input {
  const good: Record<Input['parser'], Buffer[]> = {
    'host patterns': texts('web-[01-20,30].example', 'db[0-10/2],x y', 'root@web-1:2222', 'a[1-3]b[2-5]c'),
    known_hosts: texts(knownHosts()),
    ssh_config: texts('Host web-*\n User deploy\n Port 2222\nMatch host a,b user c\n IdentityFile ~/.ssh/%h\n'),
    'frames between threads': [
      ...frames(),
      ...answers({ list: [1, 'two', null] }, 30_000).map((one) => Buffer.from(one)),
    ],
  };
  const parts: Buffer[] = [];
  let more = 0;
  // Most are short, and many are refused: more would be the time of the test.
  for (let length = 0; length < LENGTH / 3; ) {
    const part = mutated(random, good[parser]);
    const stands = standsFor(parser, part);
    if (stands === undefined) continue;
    parts.push(part);
    length += part.length + 1;
    more += stands;
  }
  if (parser === 'frames between threads') return { parser, what: 'damaged', parts };
  const text = parts.map((part) => part.toString('latin1')).join(parser === 'host patterns' ? ',' : '\n');
  return { parser, what: 'damaged', parts: [text], more };
}

/** The length of what it stands for; undefined if it is refused, or stands for more than a test has time for. */
function standsFor(parser: Input['parser'], part: Buffer): number | undefined {
  const text = part.toString('latin1');
  try {
    if (parser === 'host patterns') {
      if (text.split('[').length > 4 || /\d{3}/.test(text)) return undefined;
      const hosts = expandHosts(text);
      return hosts.length > 1_000 ? undefined : hosts.join().length;
    }
    const place = { file: 'f', line: 1 };
    if (parser === 'ssh_config') for (const line of text.split('\n')) parseLine(line, place, true);
    return 0;
  } catch {
    return undefined;
  }
}

/** So many of them that they have the length. */
function many(one: (i: number) => string): string {
  const all: string[] = [];
  for (let i = 0, length = 0; length < LENGTH - 200; i++) length += all[all.push(one(i)) - 1]?.length ?? 0;
  return all.join('');
}

/** Frames with such answers, together of about the length. */
function answers(response: unknown, inAll = LENGTH): Uint8Array[] {
  const one = { kind: 'response', slot: 1, id: 2, queuedUs: 1, openUs: 2, runUs: 3, reused: true, response };
  const bytes = (messages: unknown[]) =>
    encode(messages as (Command | Reply)[], (_, why) => expect(why).toBeUndefined());
  const length = bytes([one]).reduce((sum, frame) => sum + frame.length, 0);
  return bytes(Array.from({ length: Math.max(1, Math.floor(inAll / length)) }, () => one));
}
