import type { StdioTarget } from '../../../src/specs/stdio.js';
import { printable } from '../../../src/util/printable.js';
import type { Conversation } from './conversation.js';
import { isMessage, requestText } from './messages.js';
import type { Outbox } from './outbox.js';

/** The newest revision of the Model Context Protocol; a server may answer with an older one, which we speak too. */
const PROTOCOL_VERSION = '2025-11-25';

/** The first thing that is said to a process, once. Resolves with what the server said of itself; rejects where that is a no. */
export async function shakeHands(
  { handshake }: StdioTarget,
  conversation: Conversation,
  outbox: Outbox,
): Promise<unknown> {
  if (handshake.kind === 'none') return undefined;
  const params =
    handshake.kind === 'mcp'
      ? {
          protocolVersion: PROTOCOL_VERSION,
          capabilities: handshake.capabilities,
          clientInfo: { name: 'keylane', version: '1' },
        }
      : handshake.params;
  const { result, error } = await conversation.own('initialize', params);
  if (error) throw new Error(`it refused \`initialize\`: ${error.code} ${printable(error.message)}`);
  if (handshake.kind === 'mcp' && !(isMessage(result) && 'protocolVersion' in result))
    throw new Error('it answered `initialize` as no MCP server does');
  const initialized = handshake.kind === 'mcp' ? 'notifications/initialized' : 'initialized';
  outbox.push({ text: requestText(undefined, initialized, handshake.kind === 'mcp' ? undefined : '{}') });
  return result;
}

/** What is said before the end, where the protocol has words for it. */
export function farewell({ handshake }: StdioTarget): readonly string[] {
  if (handshake.kind !== 'initialize') return [];
  return ['{"jsonrpc":"2.0","id":0,"method":"shutdown"}', '{"jsonrpc":"2.0","method":"exit"}'];
}
