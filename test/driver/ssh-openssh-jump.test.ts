import { expect, test } from 'vitest';
import { startEngine, until } from '../support/engine.js';
import { masters } from '../support/openssh-masters.js';
import { connectionsTo, loginTo } from '../support/ssh-login.js';
import { startSshd } from '../support/sshd.js';

test.each(['ssh2', 'openssh'] as const)('hosts by openssh share one connection to a jump host by %s', async (by) => {
  await using bastion = await startSshd();
  await using behind = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
  const engine = await startEngine({ shards: 1 });
  const jump = [{ ...loginTo(bastion), transport: by }];
  const ask = (host: string) =>
    engine.run('ssh', loginTo(behind, { host, jump, command: 'echo hi', transport: 'openssh' }));
  const answers = await Promise.all(['127.0.0.1', '127.0.0.2'].map(ask));
  expect(answers).toMatchObject([{ stdout: 'hi\n' }, { stdout: 'hi\n' }]);
  expect(connectionsTo(bastion)).toBe(1);
  expect(connectionsTo(behind)).toBe(2);
  await engine.close();
  await until(() => masters(behind.dir).length + masters(bastion.dir).length === 0);
});
