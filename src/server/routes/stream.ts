import type { FastifyReply, FastifyRequest } from 'fastify';
import { type EngineStream, KeylaneError, lineOf, type Result, type StreamOptions } from '../../index.js';
import { BodyLines } from '../body-lines.js';
import { FieldError } from '../field-error.js';
import type { LiveWriter } from '../live-writer.js';
import { NDJSON_TYPE } from '../ndjson.js';
import type { App, Parts } from '../parts.js';
import { sendProblem } from '../problem.js';
import { type StreamBody, streamBody, validatorOf } from '../schemas.js';
import { wantsEvents } from '../sse.js';
import { feed, parsed } from '../stream-input.js';
import { TextPieces } from '../text-pieces.js';
import { traceparentOf } from '../tracing.js';

/** Until the request itself has come. What comes after it may take its time. */
const FIRST_LINE_MS = 30_000;
/** A client who sends on when all is over is listened to for so long: closed at once, it might never read the answer. */
const LINGER_MS = 5_000;
const MOST_LINE_BYTES = 1024 * 1024;

/**
 * One request with live output, and live input where the body is lines.
 *
 *     body   {"driver":…,"request":…} | {"data":"…"} | {"base64":"…"} | … end: the input's end
 *     answer {"channel":"stdout","data":"…"} | … | the result as a line, as in all other places
 */
export function streamRoutes(app: App, parts: Parts): void {
  void app.register((scope, _options, done) => {
    // It is read line by line, by the handler.
    scope.addContentTypeParser(NDJSON_TYPE, (_request, body, read) => read(null, body));
    const config = { needs: 'run', streams: true, audits: true } as const;
    const validatorCompiler = () => (value: unknown) => (isLines(value) ? { value } : validated(value));
    scope.post<{ Body: StreamBody }>(
      '/v1/stream',
      { config, schema: { body: streamBody }, validatorCompiler },
      (request, reply) => {
        const serving = isLines(request.body) ? twoWay(parts, request, reply) : oneWay(parts, request, reply);
        serving.catch((error: unknown) => reply.send(error));
      },
    );
    done();
  });
}

const validated = validatorOf({ schema: streamBody, httpPart: 'body' });

function isLines(body: unknown): boolean {
  return typeof (body as { pipe?: unknown } | null | undefined)?.pipe === 'function';
}

function oneWay(parts: Parts, request: FastifyRequest<{ Body: StreamBody }>, reply: FastifyReply): Promise<void> {
  return serve(parts, request, reply, request.body, undefined);
}

async function twoWay(parts: Parts, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { clock } = parts;
  const lines = new BodyLines(request.raw, MOST_LINE_BYTES);
  let isLate = false;
  const late = clock.timer(FIRST_LINE_MS, () => {
    isLate = true;
    void lines.return();
  });
  try {
    const first = await lines.next().finally(() => late.cancel());
    if (isLate) {
      sendProblem(reply, new KeylaneError('ERR_TIMEOUT', `no line came within ${FIRST_LINE_MS / 1000} s`), 408);
      return;
    }
    if (first.done)
      throw new FieldError('ERR_INPUT', [{ field: 'line 1', detail: 'it is missing: it is the request' }]);
    const read = validated(parsed(first.value));
    if ('error' in read) throw read.error;
    await serve(parts, request, reply, read.value as StreamBody, lines);
  } finally {
    void lines.return();
    const { raw } = request;
    if (!raw.complete && !raw.destroyed) {
      const linger = clock.timer(LINGER_MS, () => raw.destroy());
      raw.once('close', () => linger.cancel());
    }
  }
}

/** Rejects where the request is refused: nothing has been answered then. */
async function serve(
  { engine, live, audit, clock, tracing }: Parts,
  { principal, headers, ip }: FastifyRequest,
  reply: FastifyReply,
  { driver, request, ...options }: StreamBody,
  lines: BodyLines | undefined,
): Promise<void> {
  principal.checkRequest(driver, request);
  const giveBack = principal.take('request');
  const at = clock.now();
  const told = (result: Result) => {
    const { key, outcome, error } = result;
    tracing.settled(driver, result, headers);
    const what = { principal: principal.name, address: ip, route: 'POST /v1/stream', driver, key, outcome };
    audit({ ...what, ...(error && { code: error.code }), ms: clock.now() - at });
  };
  try {
    const traceparent = traceparentOf(headers);
    const how = { ...options, ...(traceparent !== undefined && { traceparent }) } as StreamOptions;
    const stream = engine.stream(driver as 'echo', request as never, how) as EngineStream<unknown>;
    if (!lines) stream.end();
    try {
      await stream.accepted;
    } catch (error) {
      told(await stream.result);
      throw error;
    }
    const writer = wantsEvents(headers.accept) ? live.events(reply) : live.lines(reply);
    void writer.closed.then(() => stream.cancel());
    const feeding = lines && feed(stream, lines, (isWaiting) => live.watch(writer, isWaiting));
    await handOut(stream, writer);
    void lines?.return();
    const wrong = await feeding;
    const result = await stream.result;
    if (wrong && result.error) result.error = becauseOf(wrong, result.error);
    writer.end('result', lineOf(result));
    told(result);
  } finally {
    giveBack();
  }
}

/** The output as it comes. The reader's pace is the peer's. */
async function handOut(stream: EngineStream<unknown>, writer: LiveWriter): Promise<void> {
  const channels = new Map<string, TextPieces>();
  try {
    for await (const { channel, data } of stream) {
      const pieces = channels.get(channel) ?? new TextPieces();
      channels.set(channel, pieces);
      const piece = pieces.add(data);
      const full = piece && writer.deliver('chunk', `{"channel":"${channel}",${piece}}`);
      if (full) await full;
    }
  } catch {
    // The result tells.
  }
  for (const [channel, pieces] of channels) {
    const piece = pieces.rest();
    if (piece) void writer.deliver('chunk', `{"channel":"${channel}",${piece}}`);
  }
}

/** The service called it off, and this is why. */
function becauseOf({ code, message }: KeylaneError, { outcome, key, stopped }: KeylaneError): KeylaneError {
  return new KeylaneError(code, message, {
    outcome,
    ...(key !== undefined && { key }),
    ...(stopped !== undefined && { stopped }),
  });
}
