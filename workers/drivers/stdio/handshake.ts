import type { StdioTarget } from '../../../src/specs/stdio.js';
import { printable } from '../../../src/util/printable.js';
import type { Conversation } from './conversation.js';
import { isMessage, requestText } from './messages.js';
import type { Outbox } from './outbox.js';

/** Revisions of the Model Context Protocol, the newest first: a server may answer with an older one, which we speak too. */
const PROTOCOL_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

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
          protocolVersion: PROTOCOL_VERSIONS[0],
          capabilities: handshake.capabilities,
          clientInfo: { name: 'keylane', version: '1' },
        }
      : handshake.params;
  const { result, error } = await conversation.own('initialize', params);
  if (error) throw new Error(`it refused \`initialize\`: ${error.code} ${printable(error.message)}`);
  if (handshake.kind === 'mcp') checkVersion(result);
  const initialized = handshake.kind === 'mcp' ? 'notifications/initialized' : 'initialized';
  outbox.push({ text: requestText(undefined, initialized, handshake.kind === 'mcp' ? undefined : '{}') });
  return result;
}

/** Who speaks another version may mean something else by the same words. (MCP 2025-11-25, "Version Negotiation") */
function checkVersion(result: unknown): void {
  if (!(isMessage(result) && 'protocolVersion' in result))
    throw new Error('it answered `initialize` as no MCP server does; if it is none, say `initialize` of the server');
  const version = String(result.protocolVersion);
  if (PROTOCOL_VERSIONS.includes(version)) return;
  const ours = PROTOCOL_VERSIONS.toReversed().join(', ');
  throw new Error(
    `it speaks MCP "${printable(version.slice(0, 32))}"; keylane speaks ${ours}: install another of its versions`,
  );
}

/** What is said before the end, where the protocol has words for it. */
export function farewell({ handshake }: StdioTarget): readonly string[] {
  if (handshake.kind !== 'initialize') return [];
  return ['{"jsonrpc":"2.0","id":0,"method":"shutdown"}', '{"jsonrpc":"2.0","method":"exit"}'];
}
