import type { SshOptions } from './ssh.js';

export const SSH_DEFAULTS = {
  port: 22,
  hostKeys: 'strict',
  maxOutputBytes: 1 << 20,
  keepaliveMs: 15_000,
  keepaliveCount: 3,
  connectTimeoutMs: 10_000,
  streams: 10,
} as const satisfies SshOptions;
