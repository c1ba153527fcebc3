import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TokenHarness } from '../support/token-harness.js';

/**
 * PROMISES X1, for tokens: whatever goes wrong, no client secret, no refresh token and no access token is in an error, an
 * event, a warning or a file but the one that the reference names. The server says back all that it was sent.
 */
let h: TokenHarness;
const warnings: string[] = [];
const warned = (warning: Error) => warnings.push(inspect(warning));
beforeEach(async () => {
  h = await TokenHarness.start({ address: '127.0.0.27', rotate: true });
  h.env.SECRET = h.server.options.clientSecret = `secret-${randomUUID()}`;
  process.on('warning', warned);
});
afterEach(async () => {
  process.off('warning', warned);
  await h.stop();
});

test('no secret is anywhere but where its reference leads', async () => {
  // No listener: what is grave becomes a warning of the process.
  const cache = h.cache({ ...h.shared(), onEvent: (event) => heard.push(event) });
  const silent = h.cache({ ...h.shared() });
  const heard: unknown[] = [];
  const errors: unknown[] = [];
  const keep = (promise: Promise<unknown>) => promise.catch((error: unknown) => errors.push(error));
  const { account, file } = await h.login();
  await cache.get(account);

  const told = { status: 400, body: '' };
  const echoes = [
    { ...told, body: JSON.stringify({ error: 'invalid_grant', error_description: h.env.SECRET }) },
    { ...told, body: JSON.stringify({ error: h.env.SECRET }) },
    { ...told, status: 401, headers: { 'www-authenticate': `Basic realm="${h.env.SECRET}"` } },
    { ...told, status: 302, headers: { location: `${h.server.url}/?${h.env.SECRET}` } },
    { ...told, status: 500, body: h.env.SECRET as string },
    { ...told, status: 200, body: `{"access_token":"access-${randomUUID()}","token_type":"${h.env.SECRET}"}` },
    { ...told, status: 200, body: `{"access_token":"${h.env.SECRET}"` },
    { ...told, status: 200, headers: { 'content-type': `text/${h.env.SECRET}` }, body: h.env.SECRET as string },
    'cut' as const,
  ];
  for (const [i, fault] of echoes.entries()) {
    h.server.faults.push(fault);
    await keep(cache.get(h.client({ scope: `${i}` })));
  }
  expect(errors).toHaveLength(echoes.length);
  // A wrong secret, which the server repeats; one that is given in clear; a login that cannot be stored.
  const right = h.env.SECRET as string;
  h.env.WRONG = `secret-${randomUUID()}`;
  await keep(cache.get(h.client({ clientSecret: 'env:WRONG' })));
  const clear = `secret-${randomUUID()}`;
  await keep(cache.get(h.client({ clientSecret: clear })));
  await keep(cache.get(h.client({ refreshToken: clear, grant: 'refresh_token' })));
  await keep(cache.get(h.client({ tokenUrl: `https://me:${clear}@login.example/` })));
  h.env.REFRESH = h.server.login();
  await silent.get(h.client({ grant: 'refresh_token', refreshToken: 'env:REFRESH' }));
  await keep(silent.startDevice(account, () => undefined));

  const secrets = [right, h.env.WRONG, clear, h.env.REFRESH, ...h.server.given].concat(
    h.server.asked.flatMap(({ form }) => form.get('refresh_token') ?? []),
    readFileSync(file, 'utf8').trim(),
  );
  const said = [errors, heard, h.events, warnings, cache, silent].map((one) =>
    inspect(one, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null }),
  );
  const json = JSON.stringify([errors, heard, h.events]);
  const messages = errors.map((error) => `${(error as Error).message}\n${(error as Error).stack}`).join('\n');
  expect(errors).toHaveLength(echoes.length + 5);
  const texts: Record<string, string> = { said: said.join('\n'), json, messages, files: filesBut(file) };
  // It looks where there is something to see.
  for (const where of ['said', 'json']) expect(texts[where]).toContain('ERR_AUTH_EXPIRED');
  const found = Object.entries(texts).flatMap(([where, text]) =>
    secrets
      .filter((secret) => formsOf(secret).some((form) => text.includes(form)))
      .map((secret) => `${secret} in ${where}`),
  );
  expect(found).toEqual([]);
  expect(h.told('token_unstored')).toHaveLength(1);
});

/** All below the folder, bytes as latin1, with their names. */
function filesBut(secret: string): string {
  const names = readdirSync(h.folder, { recursive: true, encoding: 'utf8' }).map((name) => join(h.folder, name));
  const files = names.filter((name) => name !== secret && statSync(name).isFile());
  expect(files.length).toBeGreaterThan(3);
  return files.map((name) => `${name} ${readFileSync(name, 'latin1')}`).join('\n');
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('hex'), bytes.toString('base64').slice(0, -3), encodeURIComponent(secret)];
}
