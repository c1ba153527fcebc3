// A process that asks for an account's token when it is told to, many times at once, and says what it got.
import { readFile } from 'node:fs/promises';
import { TokenCache } from '../../../dist/src/tokens/token-cache.js';

const { dataDir, account, wallAheadMs } = JSON.parse(process.env.TOKEN_ASKER);
const cache = new TokenCache({
  dataDir,
  wall: () => Date.now() + wallAheadMs,
  onEvent: () => undefined,
  readSecret: async (reference) => {
    const name = reference.slice(reference.indexOf(':') + 1);
    return reference.startsWith('file:') ? (await readFile(name, 'utf8')).trim() : process.env[name];
  },
});
process.on('message', async ({ times }) => {
  const all = await Promise.allSettled(Array.from({ length: times }, () => cache.get(account)));
  process.send(all.map(({ value, reason }) => value?.accessToken ?? `${reason.code}: ${reason.message}`));
});
process.on('disconnect', () => cache.close());
process.send('ready');
