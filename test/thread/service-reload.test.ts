import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestService } from '../support/service.ts';

const FIRST = 'first-token-of-the-reload-tests';
const SECOND = 'second-token-of-the-reload-tests';

let dir: string;
let own: TestService;
const at = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-reload-'));
  certify('first');
  writeFileSync(at('token'), FIRST, { mode: 0o600 });
  own = await TestService.start({
    tls: { cert: at('cert.pem'), key: at('key.pem') },
    tokens: [{ name: 'ci', token: `file:${at('token')}` }],
  });
});
afterAll(async () => {
  await own.stop();
  rmSync(dir, { recursive: true, force: true });
});

function certify(name: string): void {
  const asked = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'.split(' ');
  execFileSync('openssl', [...asked, '-subj', `/CN=${name}`, '-keyout', at('key.pem'), '-out', at('cert.pem')], {
    stdio: 'ignore',
  });
}

/** The status that a token gets, and whose certificate was shown. */
function ask(token: string): Promise<{ status: number | undefined; name: unknown }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(own.service.url);
    const options = { hostname, port, path: '/v1/principal', rejectUnauthorized: false, agent: false };
    const asked = request({ ...options, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      const { CN: name } = (answer.socket as TLSSocket).getPeerCertificate().subject;
      answer.resume().once('end', () => resolve({ status: answer.statusCode, name }));
    });
    asked.once('error', reject).end();
  });
}

test('tokens and certificate are read anew, and what cannot be taken leaves all as it was', async () => {
  expect(await ask(FIRST)).toEqual({ status: 200, name: 'first' });
  certify('second');
  writeFileSync(at('token'), SECOND);
  expect(await ask(SECOND)).toEqual({ status: 401, name: 'first' });
  own.service.reload({});
  expect(await ask(SECOND)).toEqual({ status: 200, name: 'second' });
  expect((await ask(FIRST)).status).toBe(401);
  writeFileSync(at('key.pem'), 'no key');
  writeFileSync(at('token'), FIRST);
  expect(() => own.service.reload({})).toThrow(/createService\.tls: .* are no certificate and its key/);
  certify('third');
  writeFileSync(at('token'), 'short');
  expect(() => own.service.reload({})).toThrow('token ci');
  expect(await ask(SECOND)).toEqual({ status: 200, name: 'second' });
  own.service.reload({ tokens: [] });
  expect(await ask(SECOND)).toEqual({ status: 401, name: 'third' });
  expect(await ask(own.service.token)).toEqual({ status: 200, name: 'third' });
});
