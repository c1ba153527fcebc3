import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine, type Engine, type StdioRequest, type StdioServer } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, until } from '../support/engine.js';
import { expectNoLeaks, type Held, held } from '../support/leaks.js';
import { descendants, kill, runs } from '../support/process-tree.js';
import { messagesOf, program } from '../support/stdio.js';

/** The program of an MCP server that npm has brought. */
function installed(name: string): string {
  const manifest = createRequire(import.meta.url).resolve(`@modelcontextprotocol/${name}/package.json`);
  return join(dirname(manifest), 'dist', 'index.js');
}

const node = (file: string, ...args: string[]): StdioServer => ({ command: process.execPath, args: [file, ...args] });
const folder = mkdtempSync(join(tmpdir(), 'keylane-mcp-'));
const graph = join(folder, 'graph.jsonl');

const servers: Record<string, StdioServer> = {
  everything: { ...node(installed('server-everything'), 'stdio'), capabilities: { sampling: {}, elicitation: {} } },
  memory: { ...node(installed('server-memory')), env: { MEMORY_FILE_PATH: graph, GREETING: 'env:MCP_TEST_GREETING' } },
  tiny: { command: fileURLToPath(new URL('../support/programs/tiny-jsonrpc.sh', import.meta.url)), initialize: 'none' },
  language: {
    ...node(program('language-server.mjs')),
    framing: 'content-length',
    initialize: { processId: null, rootUri: null, capabilities: {} },
  },
};

let engine: Engine;
let before: Held;
beforeAll(async () => {
  before = held();
  process.env.MCP_TEST_GREETING = 'from a reference';
  process.env.MCP_TEST_SECRET = 'canary';
  engine = await createEngine({ shards: 2, stdio: { servers } });
});
afterAll(async () => {
  await engine.close();
  delete process.env.MCP_TEST_GREETING;
  delete process.env.MCP_TEST_SECRET;
  await expectNoLeaks(before);
  rmSync(folder, { recursive: true });
});

interface Content {
  content: { type: string; text: string }[];
  isError?: boolean;
}

const tool = (server: string, name: string, args: object, meta?: object): StdioRequest => ({
  ...{ server, method: 'tools/call' },
  params: { name, arguments: args, ...(meta && { _meta: meta }) },
});

/** What a tool says. */
async function said(request: StdioRequest): Promise<string> {
  const { result, error } = await engine.run('stdio', request);
  expect(error).toBeUndefined();
  return (result as Content).content.map(({ text }) => text).join('\n');
}

describe('the reference servers of MCP', () => {
  test('tell their tools after a handshake that was made once', async () => {
    const names = await Promise.all(
      ['everything', 'memory'].map(async (server) => {
        const { result } = await engine.run('stdio', { server, method: 'tools/list' });
        return (result as { tools: { name: string }[] }).tools.map(({ name }) => name);
      }),
    );
    expect(names[0]).toEqual(expect.arrayContaining(['echo', 'get-sum', 'trigger-sampling-request']));
    expect(names[1]).toEqual(expect.arrayContaining(['create_entities', 'read_graph']));
    // What the server said of itself then is told to whoever asks.
    const said = await engine.run('stdio', { server: 'memory', method: 'initialize', params: {} });
    expect(said.result).toMatchObject({ serverInfo: { name: 'memory-server' } });
    expect(await engine.run('stdio', { server: 'memory', method: 'ping' })).toEqual({ result: {} });
  });

  test('keep what one request has told them for the next', async () => {
    const entity = { name: 'keylane', entityType: 'program', observations: ['asks servers'] };
    await said(tool('memory', 'create_entities', { entities: [entity] }));
    expect(JSON.parse(await said(tool('memory', 'read_graph', {})))).toMatchObject({ entities: [entity] });
    expect(readFileSync(graph, 'utf8')).toContain('asks servers');
  });

  test('answer no as JSON-RPC has it', async () => {
    const { outcome, response } = await engine.result('stdio', { server: 'memory', method: 'no/such' });
    expect({ outcome, response }).toMatchObject({ outcome: 'failed', response: { error: { code: -32_601 } } });
  });

  test('answer 64 requests at once, each its own', async () => {
    const sums = Array.from({ length: 64 }, (_, i) => said(tool('everything', 'get-sum', { a: i, b: 1_000 })));
    expect((await Promise.all(sums)).map((text) => /is (\d+)/.exec(text)?.[1])).toEqual(
      sums.map((_, i) => String(1_000 + i)),
    );
  });

  test('get six of our variables, what is configured, and no other', async () => {
    const env = JSON.parse(await said(tool('everything', 'get-env', {}))) as Record<string, string>;
    const lent = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'USER'];
    const names = Object.keys(process.env).filter((name) => lent.includes(name) || name.startsWith('LC_'));
    expect(
      Object.keys(env)
        .filter((name) => !name.startsWith('KEYLANE_'))
        .sort(),
    ).toEqual(names.sort());
    for (const name of names) expect(env[name]).toBe(process.env[name]);
    expect(JSON.stringify(env)).not.toContain('canary');
    const pid = await processOf('server-memory');
    const ofMemory = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    expect(ofMemory).toContain('GREETING=from a reference');
    expect(ofMemory.join()).not.toContain('canary');
  });

  test('tell their progress to the stream that asked, by the token that it chose', async () => {
    const asked = { duration: 0.2, steps: 4 };
    const both = await Promise.all(
      ['mine', 7].map(async (progressToken) => {
        const name = 'trigger-long-running-operation';
        const stream = engine.stream('stdio', tool('everything', name, asked, { progressToken }));
        stream.end();
        const heard: unknown[] = [];
        for await (const { method, params } of messagesOf(stream))
          if (method === 'notifications/progress') heard.push(params);
        expect((await stream.response).result).toMatchObject({ content: [{ type: 'text' }] });
        return heard;
      }),
    );
    for (const [i, progressToken] of ['mine', 7].entries())
      expect(both[i]).toEqual([1, 2, 3, 4].map((progress) => ({ progress, total: 4, progressToken })));
  });

  test.each([
    [
      'sampling/createMessage',
      tool('everything', 'trigger-sampling-request', { prompt: 'What is it?' }),
      { model: 'a-person', role: 'assistant', content: { type: 'text', text: 'forty-two' } },
      'forty-two',
    ],
    [
      'elicitation/create',
      tool('everything', 'trigger-elicitation-request', {}),
      { action: 'accept', content: { name: 'Ada Lovelace' } },
      'Ada Lovelace',
    ],
  ])('ask the stream back by %s, and go on with what it answers', async (asks, request, result, expected) => {
    const stream = engine.stream('stdio', request);
    const methods: unknown[] = [];
    for await (const { id, method } of messagesOf(stream)) {
      methods.push(method);
      if (id !== undefined) await stream.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
    }
    expect(methods).toContain(asks);
    expect(JSON.stringify((await stream.response).result)).toContain(expected);
  });

  test('are told that nobody answers where the request is no stream', async () => {
    const { response } = await engine.result('stdio', tool('everything', 'trigger-sampling-request', { prompt: 'x' }));
    expect(response?.error !== undefined || (response?.result as Content | undefined)?.isError).toBe(true);
  });

  test('serve on when a request is called off', async () => {
    const controller = new AbortController();
    const long = tool('everything', 'trigger-long-running-operation', { duration: 3, steps: 1 });
    const call = failure(engine.run('stdio', long, { signal: controller.signal }));
    await until(async () => (await engine.stats()).shards.some(({ inside }) => inside?.requests === 1));
    controller.abort();
    expect(await call).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
    expect(await said(tool('everything', 'echo', { message: 'still here' }))).toContain('still here');
  });

  test('are started anew when they were killed', async () => {
    const pid = await processOf('server-everything');
    kill(pid, 'SIGKILL');
    await until(() => !runs(pid));
    // It may be given to the dead one before its shard hears of that.
    const echo = tool('everything', 'echo', { message: 'again' });
    const { result } = await engine.run('stdio', echo, { attempts: 3, idempotent: true });
    expect(JSON.stringify(result)).toContain('again');
    expect(await processOf('server-everything')).not.toBe(pid);
  });

  test('are not asked for what is remembered', async () => {
    const ask = () => engine.result('stdio', { server: 'memory', method: 'tools/list' }, { cache: { ttlMs: 60_000 } });
    const [first, second] = [await ask(), await ask()];
    expect([first.cache, second.cache]).toEqual(['miss', 'hit']);
    expect(second.response).toEqual(first.response);
  });
});

test('a server in a dozen lines of shell serves, each session by its own process', async () => {
  const pidOf = async (session?: string) => {
    const request = { server: 'tiny', method: 'x', ...(session !== undefined && { session }) };
    return ((await engine.run('stdio', request)).result as { pid: number }).pid;
  };
  const [none, a, b] = [await pidOf(), await pidOf('a'), await pidOf('b')];
  expect(new Set([none, a, b]).size).toBe(3);
  expect([await pidOf(), await pidOf('a'), await pidOf('b')]).toEqual([none, a, b]);
  const many = await Promise.all(Array.from({ length: 200 }, () => pidOf('a')));
  expect(new Set(many)).toEqual(new Set([a]));
});

describe('a language server', () => {
  const uri = 'file:///a.txt';
  const ask = (method: string, params: object) => engine.run('stdio', { server: 'language', method, params });

  test('is shaken hands with once, keeps documents, and answers', async () => {
    const textDocument = { uri, languageId: 'text', version: 1, text: 'ä\nb\nc' };
    const open = { server: 'language', method: 'textDocument/didOpen', params: { textDocument }, notify: true };
    expect(await engine.result('stdio', open)).toMatchObject({ outcome: 'ok' });
    const hover = await ask('textDocument/hover', { textDocument: { uri } });
    expect(hover).toEqual({ result: { contents: `3 lines in ${uri}` } });
  });

  test('asks the stream for its configuration', async () => {
    const params = { command: 'x', arguments: ['lines'] };
    const stream = engine.stream('stdio', { server: 'language', method: 'workspace/executeCommand', params });
    for await (const { id, method } of messagesOf(stream))
      if (method === 'workspace/configuration')
        await stream.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: ['on'] })}\n`);
    expect(await stream.response).toEqual({ result: { answered: ['on'] } });
  });

  test('hears that a request is called off, by the id that it was asked with', async () => {
    const controller = new AbortController();
    const call = failure(
      engine.run('stdio', { server: 'language', method: 'workspace/symbol' }, { signal: controller.signal }),
    );
    await until(async () => (await engine.stats()).shards.some(({ inside }) => inside?.requests === 1));
    controller.abort();
    expect((await call).code).toBe('ERR_CANCELED');
    expect(await ask('lines/calledOff', {})).toEqual({ result: 1 });
  });
});

/** The process of ours whose command line holds the word. */
async function processOf(word: string): Promise<number> {
  const mine = () => descendants(process.pid).filter((pid) => commandLine(pid).includes(word));
  await until(() => mine().length === 1);
  return mine()[0] as number;
}

/** Empty where it has gone. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
