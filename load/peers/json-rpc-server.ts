// A JSON-RPC 2.0 server by lines, as small as one can be: each request is answered with its own params.
// `json-rpc-server.js MICROSECONDS`: for so long it works at each.

interface Message {
  id?: number | string;
  params?: unknown;
}

const workUs = Number(process.argv[2] ?? 0);
let rest = '';
process.stdin.setEncoding('utf8').on('data', (text: string) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  let answers = '';
  for (const line of lines) {
    const { id, params } = JSON.parse(line) as Message;
    if (id === undefined) continue;
    if (workUs > 0) work();
    answers += `${JSON.stringify({ jsonrpc: '2.0', id, result: params })}\n`;
  }
  if (answers !== '') process.stdout.write(answers);
});
process.stdin.on('end', () => process.exit(0));

function work(): void {
  for (const until = performance.now() + workUs / 1000; performance.now() < until; );
}
