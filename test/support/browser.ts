import { type Browser, chromium, type Page } from 'playwright-core';

/** Debian's Chromium, headless; it asks nobody for anything on its own. `close` it in `afterAll`. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

interface DashboardOptions {
  width?: number;
  height?: number;
  colours?: 'light' | 'dark';
}

/** A page of a service in a profile of its own, and whatever it does that it must not do. */
export class Dashboard implements AsyncDisposable {
  readonly page: Page;
  /** Errors of the console (a breach of the content security policy is one), requests to others, dialogs. */
  readonly complaints: string[] = [];

  private constructor(page: Page, origin: string) {
    this.page = page;
    page.on('console', (message) => {
      // That a token was refused is told by the page; that the browser notes it too is no error of ours.
      if (message.type() === 'error' && !/status of 40[13]/.test(message.text()))
        this.complaints.push(`console: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => this.complaints.push(`error: ${error.stack}`));
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) this.complaints.push(`request: ${url}`);
      if (url.includes('token=')) this.complaints.push(`a token in an address: ${url}`);
    });
    page.on('dialog', (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  static async open(browser: Browser, url: string, options: DashboardOptions = {}): Promise<Dashboard> {
    const { width = 1_280, height = 900, colours = 'light' } = options;
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: colours });
    page.setDefaultTimeout(20_000);
    const dashboard = new Dashboard(page, url);
    await page.goto(url);
    return dashboard;
  }

  async signIn(token: string): Promise<void> {
    await this.page.fill('#token', token);
    await this.page.click('#sign-in button');
    await this.page.waitForSelector('#link[data-state="live"]');
  }

  /** Resolves when the element says that. */
  async says(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first().waitFor();
  }

  text(selector: string): Promise<string> {
    // biome-ignore lint/performance/useDomNodeTextContent: it is what a person sees that is asked.
    return this.page.locator(selector).first().innerText();
  }

  /** How far the page is wider than its window. */
  overflow(): Promise<number> {
    return this.page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }

  /** The colour of the page. */
  ground(): Promise<string> {
    return this.page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  }

  /** Text that has too little contrast with its ground for WCAG's AA. */
  faint(): Promise<string[]> {
    return this.page.evaluate<string[]>(FAINT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

/** WCAG 2.2, 1.4.3: 4.5 to 1, 3 to 1 where it is large. Of controls that are off nothing is asked. */
const FAINT = `(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a),
    g: top.g * top.a + under.g * (1 - top.a),
    b: top.b * top.a + under.b * (1 - top.a),
    a: 1,
  });
  const ground = (element) => {
    if (!element) return { r: 255, g: 255, b: 255, a: 1 };
    const own = parse(getComputedStyle(element).backgroundColor);
    return own.a === 1 ? own : over(own, ground(element.parentElement));
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (text === '' || !element.checkVisibility() || element.closest(':disabled, script, noscript')) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(over(parse(style.color), ground(element))), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.add(ratio.toFixed(2) + ' ' + text.slice(0, 40));
  }
  return [...found];
})()`;
