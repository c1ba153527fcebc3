import type { EchoResponse } from '../../../src/echo-types.js';
import { KeylaneError } from '../../../src/errors.js';
import type { EchoOrder, EchoTarget } from '../../../src/specs/echo.js';
import { type Driver, type ExecuteContext, NOT_MODIFIED } from '../../../src/types.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';

/** A "connection" to nowhere. */
interface EchoConnection {
  open: boolean;
}

/** A peer of fixed latency, without a socket: what the engine itself costs is measured with it. */
export function load(clock: Clock = systemClock): Promise<Driver<EchoTarget, EchoConnection, EchoOrder, EchoResponse>> {
  return Promise.resolve({
    streams: 10,

    async open({ openMs, fault }, { signal }) {
      if (openMs > 0) await wait(clock, openMs, signal);
      if (fault) throw new KeylaneError(fault as 'ERR_CONNECT', `echo: ${fault}, as asked`);
      return { open: true };
    },

    execute(connection, order, context) {
      const { payload, delayMs, fault, etag } = order;
      context.sent();
      if (etag !== undefined && context.etag === etag) return NOT_MODIFIED;
      if (delayMs === 0 && !fault && !context.live && etag === undefined) return { payload };
      return answer(clock, connection, order, context);
    },

    ok: ({ refused }) => !refused,
    etag: ({ etag }) => etag,

    reusable: (connection) => connection.open,

    close(connection) {
      connection.open = false;
    },
  });
}

async function answer(
  clock: Clock,
  connection: EchoConnection,
  order: EchoOrder,
  context: ExecuteContext,
): Promise<EchoResponse> {
  if (order.delayMs > 0) await wait(clock, order.delayMs, context.signal);
  switch (order.fault) {
    case undefined:
      break;
    case 'failed':
      return { payload: order.payload, refused: true };
    case 'hang':
      await wait(clock, Number.POSITIVE_INFINITY, context.signal);
      break;
    default:
      connection.open = false;
      throw new KeylaneError(order.fault as 'ERR_PROTOCOL', `echo: ${order.fault}, as asked`);
  }
  if (context.live) await repeat(order.payload, context);
  return order.etag === undefined ? { payload: order.payload } : { payload: order.payload, etag: order.etag };
}

/** Live, echo says the payload back in a chunk, then whatever the caller writes. */
async function repeat(payload: unknown, context: ExecuteContext): Promise<void> {
  if (typeof payload === 'string' || payload instanceof Uint8Array)
    await context.chunk('message', Buffer.from(payload as string));
  if (!context.input) return;
  for await (const piece of context.input) await context.chunk('message', piece);
}

/** Resolves after `ms`, rejects with the signal's reason when it aborts. */
function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = ms === Number.POSITIVE_INFINITY ? undefined : clock.timer(ms, done);
    function done() {
      signal.removeEventListener('abort', aborted);
      resolve();
    }
    function aborted() {
      timer?.cancel();
      reject(signal.reason as Error);
    }
    signal.addEventListener('abort', aborted, { once: true });
  });
}
