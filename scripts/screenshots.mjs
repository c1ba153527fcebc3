// `node scripts/screenshots.mjs`: the pictures of the dashboard in docs/images/, of a service with real load on it: requests
// to some hundred echo keys, a batch under way, another that has ended, a peer that cannot be connected to. Needs
// `npm run build` and Debian's chromium.
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createService } from 'keylane/server';
import { chromium } from 'playwright-core';

const FOLDER = fileURLToPath(new URL('../docs/images/', import.meta.url));
/** How long the load is on before the pictures are taken: the curves are to have a shape. */
const LOAD_MS = 100_000;
const KEYS = 300;
const CLIENTS = 24;

const dataDir = mkdtempSync(join(tmpdir(), 'keylane-screenshots-'));
const service = await createService({ port: 0, engine: { shards: 2, dataDir } });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
let isOver = false;
try {
  mkdirSync(FOLDER, { recursive: true });
  const clients = Array.from({ length: CLIENTS }, client);
  const breaking = broken();
  await pause(LOAD_MS * 0.7);
  await batch('nightly inventory', 400, 8);
  await pause(LOAD_MS * 0.2);
  await batch('kernel update', 8_000, 12);
  await pause(LOAD_MS * 0.1);
  for (const colours of ['light', 'dark']) await picture(colours);
  isOver = true;
  await Promise.all([...clients, breaking]);
} finally {
  await browser.close();
  await service.destroy('the pictures are taken');
  rmSync(dataDir, { recursive: true, force: true });
}

/** One request after the other, mostly to a few keys, faster and slower by turns. */
async function client() {
  while (!isOver) {
    const number = Math.floor(Math.random() ** 3 * KEYS);
    const wave = 1 + Math.sin(Date.now() / 12_000) / 2;
    const request = {
      key: `web-${String(number).padStart(3, '0')}.example`,
      openMs: 8,
      delayMs: wave * (4 + 40 * Math.random() ** 6),
      ...(Math.random() < 0.002 && { fault: 'failed' }),
    };
    await service.engine.result('echo', request, { timeoutMs: 10_000 });
    await pause(wave * 8);
  }
}

async function broken() {
  while (!isOver) {
    await service.engine.result('echo', { key: 'db-07.example', openMs: 1, fault: 'ERR_CONNECT' });
    await pause(400);
  }
}

async function batch(name, count, concurrency) {
  const jobs = Array.from({ length: count }, (_, i) => ({
    id: `host-${String(i + 1).padStart(4, '0')}`,
    request: {
      key: `rack-${String(i % 60).padStart(2, '0')}.example`,
      payload: 'Linux 6.1.0-28-amd64',
      delayMs: 40 + (i % 7) * 15,
      ...(i % 61 === 17 && { fault: 'failed' }),
      ...(i % 211 === 40 && { fault: 'ERR_CONNECTION_LOST' }),
    },
  }));
  const response = await fetch(`${service.url}/v1/batches?driver=echo&concurrency=${concurrency}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${service.token}`,
      'content-type': 'application/x-ndjson',
      'idempotency-key': `"${name}"`,
    },
    body: jobs.map((job) => JSON.stringify(job)).join('\n'),
  });
  if (response.status !== 201) throw new Error(await response.text());
}

async function picture(colours) {
  const page = await browser.newPage({ viewport: { width: 1_280, height: 1_150 }, colorScheme: colours });
  await page.goto(service.url);
  await page.fill('#token', service.token);
  await page.click('#sign-in button');
  await page.waitForSelector('article.batch');
  await page.locator('article.batch .open').first().click();
  await page.waitForSelector('.results .line');
  await pause(3_000);
  const path = join(FOLDER, `dashboard-${colours}.png`);
  await page.mouse.move(0, 0);
  await page.screenshot({ path });
  console.log(`${path}: ${Math.round(statSync(path).size / 1_000)} kB`);
  await page.context().close();
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
