import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { expectNoLeaks, held } from '../../support/leaks.js';

test('a forgotten descriptor, child process or listener is told by its kind', async () => {
  const before = held();
  const fd = openSync('/dev/null', 'r');
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const server = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(child, 'spawn'), once(server, 'listening')]);
  // Frozen, so that there is nothing to wait for.
  const then = held();
  const told = (await expectNoLeaks(before, () => then).catch((error: unknown) => error)) as { actual: string[] };
  for (const kind of [/^\d file descriptors/, '1 child processes', '1 TCPServerWrap']) {
    expect(told.actual).toContainEqual(expect.stringMatching(kind));
  }
  closeSync(fd);
  server.close();
  child.kill('SIGKILL');
  await expectNoLeaks(before);
});
