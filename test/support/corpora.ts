import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '../../src/wire/codec.js';
import type { Command } from '../../src/wire/protocol.js';
import { algorithmsFor } from '../../workers/drivers/ssh/algorithms.js';
import { packed, uint32 } from '../../workers/drivers/ssh/blob.js';
import { hashed } from '../../workers/drivers/ssh/known-hosts.js';
import { Writer } from '../../workers/drivers/ssh/sftp/packets.js';

/** Good inputs of the parsers, for test/support/mutate.ts to damage. */
export function texts(...all: string[]): Buffer[] {
  return all.map((text) => Buffer.from(text));
}

export function knownHosts(): string {
  const blob = Buffer.concat([packed('ssh-ed25519'), packed(Buffer.alloc(32, 7))]).toString('base64');
  const names = ['web-1', 'web-*,!web-2', '[web-1]:2222,db.example', hashed('web-1')];
  const lines = names.map((name, i) => `${['', '@revoked ', '@cert-authority '][i % 3]}${name} ssh-ed25519 ${blob} me`);
  return ['# a comment', ...lines, ''].join('\n');
}

export function keyFiles(): Buffer[] {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-keys-'));
  const make = (passphrase: string, ...argv: string[]) => {
    const path = join(dir, 'key');
    execFileSync('ssh-keygen', ['-q', '-N', passphrase, '-f', path, ...argv], { stdio: 'pipe' });
    const files = [path, `${path}.pub`].map((file) => readFileSync(file));
    for (const file of [path, `${path}.pub`]) rmSync(file);
    return files;
  };
  try {
    return [
      // To ssh2 it is nothing, and no error.
      ...texts(openSshKey('none', 0, 0)),
      ...make('', '-t', 'ed25519'),
      ...make('right horse', '-t', 'ed25519', '-a', '1'),
      ...make('', '-t', 'ecdsa', '-m', 'PKCS8'),
      ...make('right horse', '-t', 'rsa', '-b', '1024', '-m', 'PEM'),
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** A private key in OpenSSH's format: as far as it can be seen without its passphrase. */
export function openSshKey(cipher: string, rounds: number, keys: number): string {
  const options = packed(Buffer.concat([packed(Buffer.alloc(16)), uint32(rounds)]));
  const made = cipher === 'none' ? [packed('none'), packed('')] : [packed('bcrypt'), options];
  const head = Buffer.concat([Buffer.from('openssh-key-v1\0'), packed(cipher), ...made, uint32(keys)]);
  const blob = Buffer.concat([packed('ssh-ed25519'), packed(Buffer.alloc(32, 7))]);
  const blobs = Array.from({ length: keys }, () => packed(blob));
  const text = Buffer.concat([head, ...blobs, packed(Buffer.alloc(64))]).toString('base64');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${text}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

export function agentAnswer(): Buffer {
  const blob = Buffer.concat([packed('ssh-ed25519'), packed(Buffer.alloc(32, 7))]);
  return Buffer.concat([Buffer.from([12]), uint32(2), packed(blob), packed('one'), packed(blob), packed('two')]);
}

export function sftpMessages(): Buffer[] {
  const attributes = (writer: Writer) => writer.attributes({ mode: 0o644, mtime: 1_600_000_000 });
  const bodies: [number, (writer: Writer) => Writer][] = [
    [2, (writer) => writer.uint32(3).text('posix-rename@openssh.com').text('1')],
    [101, (writer) => writer.uint32(1).uint32(2).text('No such file').text('')],
    [102, (writer) => writer.uint32(2).text('handle')],
    [103, (writer) => writer.uint32(3).bytes(Buffer.alloc(300, 'data'))],
    [104, (writer) => attributes(writer.uint32(4).uint32(1).text('/home/me').text('drwx'))],
    [105, (writer) => attributes(writer.uint32(5))],
  ];
  const messages = bodies.map(([type, write]) => {
    const { done } = write(new Writer());
    return Buffer.concat([uint32(done.length + 1), Buffer.from([type]), done]);
  });
  return [...messages, Buffer.concat(messages)];
}

export function muxMessages(): Buffer[] {
  const message = (type: number, ...parts: Buffer[]) => packed(Buffer.concat([Buffer.from([0, type]), ...parts]));
  const messages = [
    message(91, uint32(0), uint32(1), uint32(2_097_152), uint32(32_768)),
    message(92, uint32(0), uint32(2), packed('open failed'), packed('')),
    message(93, uint32(0), uint32(1_000)),
    message(94, uint32(0), packed(Buffer.alloc(300, 'data'))),
    message(95, uint32(0), uint32(1), packed('error')),
    message(98, uint32(0), packed('exit-status'), Buffer.from([0]), uint32(3)),
    message(98, uint32(0), packed('exit-signal'), Buffer.from([0]), packed('TERM'), Buffer.from([0]), packed('')),
    message(97, uint32(0)),
  ];
  return [...messages, Buffer.concat(messages)];
}

export function kexInit(): Buffer {
  const offer = algorithmsFor(new Set());
  const lists = [offer.kex, offer.serverHostKey, offer.cipher, offer.cipher, offer.hmac, offer.hmac, offer.compress];
  const parts = [...lists, offer.compress, [], []].map((list) => packed(list.join(',')));
  return Buffer.concat([Buffer.alloc(17, 20), ...parts, Buffer.alloc(5)]);
}

export function frames(): Buffer[] {
  const run = { kind: 'run', slot: 1, id: 2, mode: 'once', driver: 'echo', key: 'k', lane: 'l', bytes: 0 } as const;
  const messages = [
    {
      ...run,
      target: { a: 1 },
      request: { text: 'x'.repeat(100), bytes: Buffer.alloc(50) },
      deadline: 1_000,
      priority: 0,
    },
    { kind: 'cancel', slot: 1, id: 2 },
    {
      kind: 'response',
      slot: 1,
      id: 2,
      queuedUs: 1,
      openUs: 2,
      runUs: 3,
      reused: true,
      response: { list: [1, 'two', null] },
    },
  ] as unknown as Command[];
  return encode(messages, () => undefined).map((frame) => Buffer.from(frame));
}

export function debugLines(): string {
  return `debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1 Debian-2
debug1: kex: algorithm: sntrup761x25519-sha512@openssh.com
debug1: kex: host key algorithm: ssh-ed25519
debug1: kex: server->client cipher: chacha20-poly1305@openssh.com MAC: <implicit> compression: none
debug1: kex: client->server cipher: aes128-ctr MAC: hmac-sha2-256 compression: none
debug1: Server host key: ssh-ed25519 SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s
debug1: Host '[127.0.0.1]:2222' is known and matches the ED25519 host key.
debug1: SSH2_MSG_NEWKEYS received
debug1: Authentications that can continue: publickey,password
debug1: Next authentication method: publickey
debug1: Offering public key: /home/me/.ssh/key ED25519 SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s explicit agent
Authenticated using "publickey" with partial success.
debug1: Trying private key: /home/me/.ssh/id_rsa
Authenticated to 127.0.0.1 ([127.0.0.1]:2222) using "publickey".
`;
}

export function prompts(): string[] {
  return [
    "Enter passphrase for key '/k': ",
    "me@web-17's password: ",
    '(me@web-17) Password for me@web-17.lan:',
    `The authenticity of host 'web-17 (192.0.2.1)' can't be established.
ED25519 key fingerprint is SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s.
Are you sure you want to continue connecting (yes/no/[fingerprint])? `,
  ];
}
