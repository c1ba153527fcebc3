// A small language server (LSP 3.17, base protocol: Content-Length framing), as strict as real ones: it answers nothing
// before `initialize`, takes that once only, and wants `initialized` before it works. Documents are counted by their lines.
import { setTimeout } from 'node:timers';

const SERVER_NOT_INITIALIZED = -32002;
const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const REQUEST_CANCELLED = -32800;

let state = 'new';
let rest = Buffer.alloc(0);
let lastId = 0;
let calledOff = 0;
const documents = new Map();
const waiting = new Map();
const asked = new Map();

function send(message) {
  const text = JSON.stringify({ jsonrpc: '2.0', ...message });
  // With a second header, as some have it.
  process.stdout.write(
    `Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

const no = (id, code, message) => send({ id, error: { code, message } });

const REQUESTS = {
  'textDocument/hover': (id, { textDocument: { uri } }) =>
    send({ id, result: { contents: `${documents.get(uri)?.split('\n').length ?? 0} lines in ${uri}` } }),
  // Takes until it is called off.
  'workspace/symbol': (id) =>
    waiting.set(
      id,
      setTimeout(() => no(id, -32000, 'nobody called it off'), 60_000),
    ),
  // Asks its client back.
  'workspace/executeCommand'(id, { arguments: [section] }) {
    const mine = `config-${++lastId}`;
    asked.set(mine, (result) => send({ id, result: { answered: result } }));
    send({ id: mine, method: 'workspace/configuration', params: { items: [{ section }] } });
  },
  'lines/calledOff': (id) => send({ id, result: calledOff }),
  shutdown(id) {
    state = 'shut down';
    send({ id, result: null });
  },
};

const NOTIFICATIONS = {
  initialized: () => (state = 'ready'),
  'textDocument/didOpen'({ textDocument: { uri, text } }) {
    documents.set(uri, text);
    send({ method: 'textDocument/publishDiagnostics', params: { uri, diagnostics: [] } });
  },
  '$/cancelRequest'({ id }) {
    clearTimeout(waiting.get(id));
    if (!waiting.delete(id)) return;
    calledOff++;
    no(id, REQUEST_CANCELLED, 'called off');
  },
  exit: () => process.exit(state === 'shut down' ? 0 : 1),
};

function take({ id, method, params, result }) {
  if (method === undefined) asked.get(id)?.(result);
  else if (id === undefined) NOTIFICATIONS[method]?.(params);
  else if (method === 'initialize') {
    if (state !== 'new') return no(id, INVALID_REQUEST, 'initialize came twice');
    state = 'initialized';
    send({ id, result: { capabilities: { hoverProvider: true }, serverInfo: { name: 'lines' } } });
  } else if (state === 'new') no(id, SERVER_NOT_INITIALIZED, 'initialize must come first');
  else if (state !== 'ready') no(id, SERVER_NOT_INITIALIZED, `it is ${state}`);
  else if (Object.hasOwn(REQUESTS, method)) REQUESTS[method](id, params);
  else no(id, METHOD_NOT_FOUND, `no method ${method}`);
}

process.stdin.on('data', (bytes) => {
  rest = Buffer.concat([rest, bytes]);
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/^content-length: (\d+)$/im.exec(rest.toString('ascii', 0, end))?.[1]);
    if (rest.length < end + 4 + length) return;
    const text = rest.toString('utf8', end + 4, end + 4 + length);
    rest = rest.subarray(end + 4 + length);
    take(JSON.parse(text));
  }
});
process.stdin.on('end', () => process.exit(1));
