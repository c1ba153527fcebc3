import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Dashboard, startBrowser } from '../support/browser.js';
import { until } from '../support/engine.js';
import { withVariable } from '../support/process-tree.js';
import { TestService } from '../support/service.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const WATCHER = 'a-token-that-may-only-look';

let sshd: Sshd;
let at: TestService;
let browser: Browser;
/** Signed in with the first token. */
let main: Dashboard;
/** Signed out between two tests. */
let visitor: Dashboard;
beforeAll(async () => {
  [sshd, browser] = await Promise.all([startSshd(), startBrowser()]);
  const { port, user, identity, knownHosts } = sshd;
  const token = `sha256:${createHash('sha256').update(WATCHER).digest('hex')}`;
  at = await TestService.start({
    tokens: [{ name: 'watcher', token, readOnly: true }],
    engine: { shards: 2, ssh: { port, user, identity, knownHosts } },
  });
  [main, visitor] = (await Promise.all(
    [at.service.url, at.service.url].map((url) => Dashboard.open(browser, url)),
  )) as [Dashboard, Dashboard];
  await main.signIn(at.service.token);
});
afterEach(() => {
  for (const { complaints } of [main, visitor]) expect(complaints.splice(0)).toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await at?.stop();
  await sshd?.stop();
});

/** Requests without end, ten at once, while that is done. */
async function underLoad(work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const client = async (number: number) => {
    for (let i = 0; !isOver; i++)
      await at.service.engine.result('echo', { key: `web-${(number * i) % 20}`, delayMs: 5 }, { timeoutMs: 30_000 });
  };
  const clients = Array.from({ length: 10 }, (_, number) => client(number));
  try {
    await work();
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
}

async function makeBatch(key: string, jobs: { driver?: string; request: object }[]): Promise<string> {
  const response = await fetch(`${at.service.url}/v1/batches?driver=echo&concurrency=20`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${at.service.token}`,
      'content-type': 'application/x-ndjson',
      'idempotency-key': `"${key}"`,
    },
    body: jobs.map((job, i) => JSON.stringify({ id: `job-${i}`, ...job })).join('\n'),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { id: string }).id;
}

async function runSsh({ page }: Dashboard, command: string): Promise<void> {
  await page.selectOption('#run-driver', 'ssh');
  await page.fill('#run-host', '127.0.0.1');
  await page.fill('#run-command', command);
  await page.click('#run-go');
}

/** A command that waits for this file. */
function waitsFor(name: string): { command: string; open: () => void } {
  const gate = join(sshd.dir, name);
  return { command: `until [ -e ${gate} ]; do sleep 0.05; done`, open: () => writeFileSync(gate, '') };
}

async function signOut(): Promise<void> {
  await visitor.page.click('#sign-out');
  await visitor.page.waitForSelector('#sign-in');
}

const MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>';

test('the page is there for everybody, by strict rules, and is not sent twice', async () => {
  const page = await fetch(`${at.service.url}/`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('content-security-policy')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  expect(page.headers.get('referrer-policy')).toBe('no-referrer');
  expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin');
  const again = await fetch(`${at.service.url}/`, { headers: { 'if-none-match': page.headers.get('etag') ?? '' } });
  expect(again.status).toBe(304);
  const text = await page.text();
  expect(text).not.toMatch(/<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|<style/);
  const files = [...text.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path as string);
  for (const path of files) expect([path, (await fetch(`${at.service.url}${path}`)).status]).toEqual([path, 200]);
  for (const name of ['..%2f..%2fpackage.json', 'shapes.ts', 'tsconfig.json', 'nothing.js'])
    expect([name, (await fetch(`${at.service.url}/page/${name}`)).status]).toEqual([name, 404]);
});

test('a token is asked for, a wrong one is told, and the right one stays in the tab', async () => {
  const { page } = visitor;
  await page.waitForSelector('#sign-in');
  expect(await page.locator('#panels').isVisible()).toBe(false);
  await page.fill('#token', 'not-the-token');
  await page.keyboard.press('Enter');
  await visitor.says('#token-error', 'does not know this token');
  await visitor.signIn(at.service.token);
  expect(await page.locator('#sign-in').isVisible()).toBe(false);
  expect(await visitor.text('#who')).toBe('admin');
  expect(page.url()).toBe(`${at.service.url}/`);
  expect(await page.evaluate('Object.values(localStorage)')).toEqual([]);
  expect(await page.evaluate('Object.values(sessionStorage)')).toEqual([at.service.token]);
  await page.reload();
  await page.waitForSelector('#link[data-state="live"]');
  await signOut();
  expect(await page.evaluate('Object.values(sessionStorage)')).not.toContain(at.service.token);
});

test('a request is run by keyboard alone, and the focus is always to be seen', async () => {
  const { page } = visitor;
  await page.waitForSelector('#sign-in');
  await page.keyboard.type(at.service.token);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#link[data-state="live"]');
  const tabTo = async (id: string) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const [now, tag, outline] = await page.evaluate<[string, string, string]>(
        '[document.activeElement.id, document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]',
      );
      // After the last one it is the browser's turn.
      if (tag !== 'BODY') expect([now, outline]).not.toEqual([now, 'none']);
      if (now === id) return;
    }
    throw new Error(`no Tab leads to ${id}`);
  };
  await tabTo('run-host');
  await page.keyboard.type('127.0.0.1');
  await tabTo('run-command');
  await page.keyboard.type('echo typed');
  await page.keyboard.press('Enter');
  await visitor.says('#run-state', 'ok · exit 0');
  await visitor.says('#run-output .line', 'typed');
  // And on to the end of the page and around: nothing holds the focus.
  await tabTo('theme');
  await signOut();
});

test('a token that may only look sees the figures, and is offered nothing else', async () => {
  await visitor.signIn(WATCHER);
  await visitor.says('#who', 'watcher · read-only');
  await visitor.says('#run-denied', 'This token may read only');
  expect(await visitor.page.locator('#run-command').isDisabled()).toBe(true);
  expect(await visitor.page.locator('#run-go').isDisabled()).toBe(true);
  await visitor.says('#shard-rows', 'serving');
  await signOut();
});

test('the figures change while requests run', async () => {
  await main.says('[data-figure="Requests"] dd', /^0\s/);
  await underLoad(async () => {
    await main.says('[data-figure="Requests"] dd', /^[1-9]/);
    await main.says('[data-figure="p95"] dd', /[1-9].* ms/);
    const before = await main.text('[data-figure="Requests"] dd');
    await until(async () => (await main.text('[data-figure="Requests"] dd')) !== before);
    await main.says('#throughput-legend', /settled\s*[1-9]/);
    await main.says('#throughput-words', /Now [1-9]/);
    await main.says('#key-rows', 'web-');
    await main.says('#connections', /busy\s*[1-9]|idle\s*[1-9]/);
    expect(await main.page.locator('#shard-rows tr').count()).toBe(2);
  });
});

test('a peer that is let alone is told as an open breaker, with the reason; its name is text', async () => {
  await main.says('#breakers-empty', 'None');
  for (let i = 0; i < 6; i++)
    await at.service.engine.result('echo', { key: MARKUP, openMs: 1, fault: 'ERR_CONNECT' }, { timeoutMs: 30_000 });
  await main.says('#breaker-rows', '5 failures: echo: ERR_CONNECT');
  await main.says('#breaker-rows', MARKUP);
  await main.says('#event-rows', `breaker open ${MARKUP}`);
  expect(await main.page.locator('main img, main script').count()).toBe(0);
});

test('a batch is followed to its end, with why requests are not ok, and what failed is tried again', async () => {
  const gate = waitsFor('batch');
  const jobs = Array.from({ length: 120 }, (_, i) => ({
    request: { key: `app-${i % 10}`, payload: `<b>${i}</b>`, ...(i === 7 && { fault: 'failed' }) },
  }));
  const last = { driver: 'ssh', request: { host: '127.0.0.1', command: gate.command } };
  const id = await makeBatch('followed', [...jobs, last]);
  const row = `article[aria-label="${id}"]`;
  await main.page.click(`${row} .open`);
  await main.says(`${row} .batch-line`, 'running');
  await main.says(`${row} .detail`, '120 results, as they are settled');
  await main.says(`${row} .results`, '<b>119</b>');
  gate.open();
  await main.says(`${row} .detail`, '121 results, that was the last one');
  await main.says(`${row} .batch-line`, 'done');
  await main.says(`${row} .tally`, /121 of 121\s*120 ok\s*1 failed/);
  await main.says(`${row} .reasons`, /1\s*failed · the peer said no\s*app-7/);
  expect(await main.page.locator(`${row} .results .line`).count()).toBe(121);
  expect(await main.page.locator(`${row} .results b`).count()).toBe(0);
  await main.page.click(`${row} button:text("Retry")`);
  await main.says(`${row} .says`, /batch of its own: s-/);
  await until(async () => (await main.page.locator('article.batch').count()) === 2);
});

test('a running batch is canceled by a button, which asks once whether that is meant', async () => {
  const hung = Array.from({ length: 50 }, (_, i) => ({ request: { key: `hung-${i}`, fault: 'hang' } }));
  const row = `article[aria-label="${await makeBatch('canceled', hung)}"]`;
  await main.page.click(`${row} .open`);
  await main.page.click(`${row} button:text-is("Cancel")`);
  await main.page.click(`${row} button:text-is("Cancel for good?")`);
  await main.says(`${row} .batch-line`, 'canceled');
  await main.says(`${row} .detail`, '50 results, that was the last one');
});

test('the live output of a request is shown while it runs, each channel by its name', async () => {
  const gate = waitsFor('run');
  await runSsh(main, `echo one; echo two >&2; printf 'no end yet'; ${gate.command}; echo; exit 3`);
  await main.says('#run-output .line.stdout', /stdout\s*one/);
  await main.says('#run-output .line.stderr', /stderr\s*two/);
  await main.says('#run-output .line.stdout', 'no end yet');
  expect(await main.text('#run-state')).toBe('running…');
  gate.open();
  await main.says('#run-state', 'failed · exit 3');
  await main.says('#run-output .facts', /run\s*\d/);
  expect(await main.page.locator('#run-output .line').count()).toBe(3);
});

test('cancel ends the command at its host', async () => {
  const running = () => withVariable('SSH_CONNECTION', (value) => value.endsWith(` ${sshd.port}`)).length;
  await runSsh(main, 'echo begun; exec sleep 1000');
  await main.says('#run-output .line', 'begun');
  expect(running()).toBeGreaterThan(0);
  await main.page.click('#run-cancel');
  await main.says('#run-state', /^canceled after/);
  await until(() => running() === 0);
  expect(await main.page.locator('#run-go').isEnabled()).toBe(true);
});

test('each driver has a request to begin with, and what somebody has written stays', async () => {
  const { page } = main;
  const json = page.locator('#run-json');
  for (const driver of ['http', 'smtp', 'stdio']) {
    await page.selectOption('#run-driver', driver);
    expect(JSON.parse(await json.inputValue())).toMatchObject({ driver });
  }
  await json.fill(JSON.stringify({ driver: 'echo', request: { key: 'mine', payload: 'mine' } }));
  await page.selectOption('#run-driver', 'http');
  await page.click('#run-go');
  await main.says('#run-state', 'ok');
  expect(await main.text('#run-output .said')).toBe('mine');
});

test('markup and escapes in output are text', async () => {
  const body = { driver: 'echo', request: { key: 'any', payload: `${MARKUP}\u001b[31mred\u001b[2J\u202e` } };
  await main.page.selectOption('#run-driver', 'json');
  await main.page.fill('#run-json', JSON.stringify(body));
  await main.page.click('#run-go');
  await main.says('#run-state', 'ok');
  expect(await main.text('#run-output .said')).toBe(`${MARKUP}red^[[2J\\u202e`);
  expect(await main.page.locator('main img, main script').count()).toBe(0);
});

test('of a flood of output the last 5,000 lines are kept', async () => {
  await runSsh(main, 'seq 1 30000');
  await main.says('#run-output .line', /^stdout\s*30000$/);
  await main.says('#run-state', 'ok · exit 0');
  expect(await main.page.locator('#run-output .line').count()).toBe(5_000);
  await main.says('#run-output .dropped', '25,000 earlier lines not shown');
});

test('a page that is out of sight asks for nothing, and is up to date as soon as it is looked at', async () => {
  const streams = async () => {
    const { http } = (await (await at.call('GET', '/v1/stats')).json()) as { http: { streams: number } };
    return http.streams;
  };
  const turn = (isHidden: boolean) =>
    main.page.evaluate(`
      Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} });
      document.dispatchEvent(new Event('visibilitychange'));
    `);
  // The figures, and the batch that is open.
  await main.page.click('article.batch .open[aria-expanded="true"]');
  await until(async () => (await streams()) === 1);
  await turn(true);
  await until(async () => (await streams()) === 0);
  await turn(false);
  await until(async () => (await streams()) === 1);
  await main.says('#link', 'live');
});

test('at 400 and 2,000 px, light and dark, nothing is cut off sideways and all text has contrast', async () => {
  await runSsh(main, `echo ${'long'.repeat(200)}; echo wrong >&2; exit 1`);
  await main.says('#run-state', 'failed · exit 1');
  const grounds = new Set<string>();
  for (const width of [400, 2_000, 1_280]) {
    await main.page.setViewportSize({ width, height: 900 });
    for (const colours of ['light', 'dark']) {
      await main.page.selectOption('#theme', colours);
      expect([width, colours, await main.overflow()]).toEqual([width, colours, 0]);
      expect([width, colours, await main.faint()]).toEqual([width, colours, []]);
      grounds.add(await main.ground());
    }
  }
  expect(grounds.size).toBe(2);
  await main.page.selectOption('#theme', 'auto');
  await main.page.emulateMedia({ colorScheme: 'dark' });
  const dark = await main.ground();
  await main.page.emulateMedia({ colorScheme: 'light' });
  expect(await main.ground()).not.toBe(dark);
});

test('a service that goes away and comes again is told, and watched again', async () => {
  const first = await TestService.start({ engine: { shards: 1 } });
  const { dataDir } = first;
  const { url, token } = first.service;
  await using dashboard = await Dashboard.open(browser, url);
  await dashboard.signIn(token);
  await first.service.destroy('gone');
  await dashboard.says('#link', /not connected: .* again in \d+ s/);
  const second = await TestService.start({ port: Number(new URL(url).port), engine: { shards: 1, dataDir } });
  await dashboard.page.waitForSelector('#link[data-state="live"]');
  await dashboard.says('#event-rows', 'shard serves');
  await second.stop();
  await first.stop();
});

test('the page of the API is made by the same rules', async () => {
  await visitor.page.goto(`${at.service.url}/docs`);
  await visitor.says('main', '/v1/run');
  await visitor.page.setViewportSize({ width: 400, height: 900 });
  expect(await visitor.overflow()).toBe(0);
  expect(await visitor.faint()).toEqual([]);
});

test('the rules of the page hold: code that got into it would not run', async () => {
  const { page } = visitor;
  await page.evaluate(`
    document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }));
    document.body.insertAdjacentHTML('beforeend', '<img src="/page/none.png" onerror="window.ran = 1">');
  `);
  const refusals = () => visitor.complaints.filter((one) => one.includes('Content Security Policy'));
  await until(() => refusals().length >= 2);
  expect(await page.evaluate('window.ran')).toBe(undefined);
  visitor.complaints.length = 0;
});
