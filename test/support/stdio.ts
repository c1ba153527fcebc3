import { fileURLToPath } from 'node:url';
import type { Chunk, StdioServer } from 'keylane';

/** A message of JSON-RPC. */
export interface RpcMessage {
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
}

/** The messages of a stream of the driver `stdio`: each is a JSON text with a newline after it, in one chunk or in several. */
export async function* messagesOf(stream: AsyncIterable<Chunk>): AsyncGenerator<RpcMessage> {
  let text = '';
  for await (const { data } of stream) {
    const lines = `${text}${data.toString('latin1')}`.split('\n');
    text = lines.pop() as string;
    for (const line of lines) yield JSON.parse(Buffer.from(line, 'latin1').toString('utf8')) as RpcMessage;
  }
}

/** The path of a program of test/support/programs. */
export function program(name: string): string {
  return fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
}

/** A configured server that does what its words say: see the head of the program. */
export function hostile(words: readonly string[] = [], more: Partial<StdioServer> = {}): StdioServer {
  const args = [program('hostile-jsonrpc.mjs'), ...words];
  return { command: process.execPath, args, restartsPerMinute: 1_000, ...more };
}
