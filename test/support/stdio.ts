import { fileURLToPath } from 'node:url';
import type { Chunk } from 'keylane';

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
