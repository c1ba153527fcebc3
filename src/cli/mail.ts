import { createEngine, type EngineOptions, lineOf, type Result, type SmtpResponse } from '../index.js';
import { configOf } from './configured.js';
import { exitStatus, signalStatus } from './exit-status.js';
import { counted, grouped } from './figures.js';
import { type Io, UsageError } from './io.js';
import type { MailFlags } from './mail-flags.js';
import { type MailRequest, requestOf } from './mail-request.js';
import { startEngine } from './start-engine.js';
import { visible } from './visible.js';

/** As much of an engine as one mail needs. */
export interface MailEngine {
  result(
    driver: 'smtp',
    request: MailRequest,
    options: { timeoutMs: number; attempts: number; signal: AbortSignal },
  ): Promise<Result<unknown, SmtpResponse>>;
  close(): Promise<void>;
  destroy(reason?: string): Promise<void>;
}

export interface MailDeps {
  createEngine(options: EngineOptions): Promise<MailEngine>;
}

/** `keylane mail send`. Resolves with the exit status. */
export async function sendMail(flags: MailFlags, io: Io, deps: MailDeps = { createEngine }): Promise<number> {
  const { engine: options } = await configOf(flags, io, { flags: { shards: 1 } });
  if (flags.account === undefined && flags.host === undefined && options.smtp?.host === undefined)
    throw new UsageError('by which server? Give --account NAME or --host NAME');
  const request = await requestOf(flags, io.stdin);
  // What is wrong with the mail itself is told before any thread is started.
  const engine = await startEngine(deps.createEngine, { ...options, lazyShards: true });
  const cut = new AbortController();
  let interrupted: number | undefined;
  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const listener = () => {
      interrupted ??= signalStatus(signal);
      cut.abort();
    };
    io.on(signal, listener);
    return () => io.off(signal, listener);
  });
  try {
    const { timeout: timeoutMs, attempts } = flags;
    const result = await engine.result('smtp', request, { timeoutMs, attempts, signal: cut.signal });
    // Nothing was asked of anybody yet.
    if (result.error?.code === 'ERR_INPUT' && result.shard < 0) throw new UsageError(visible(result.error.message));
    write(result, flags, io);
    const outcomes = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
    const refused = result.outcome === 'ok' && (result.response?.rejected.length ?? 0) > 0;
    outcomes[refused ? 'failed' : result.outcome]++;
    return exitStatus({ interrupted, outputFailed: false, outcomes, maxRc: undefined });
  } finally {
    for (const off of listeners) off();
    if (cut.signal.aborted) await engine.destroy('keylane mail send was interrupted');
    else await engine.close();
  }
}

function write(result: Result<unknown, SmtpResponse>, { format }: MailFlags, io: Io): void {
  if (format !== 'text') {
    const line = lineOf(result);
    io.stdout.write(format === 'json' ? `[\n${line}\n]\n` : `${line}\n`);
    return;
  }
  const { error, response, outcome } = result;
  if (response && outcome === 'ok') io.stdout.write(`${sentText(response)}\n`);
  else
    io.stderr.write(
      `${response ? refusedText(response) : `${outcome}: ${error?.code}: ${visible(error?.message ?? '')}`}\n`,
    );
  for (const { address, code, enhanced, message } of response?.rejected ?? [])
    io.stderr.write(`refused ${visible(address)}: ${replyText({ code, enhanced, message })}\n`);
}

function sentText(response: SmtpResponse): string {
  const { accepted, rejected, messageId } = response;
  const to = counted(accepted.length, 'recipient');
  const not = rejected.length > 0 ? `, refused for ${grouped(rejected.length)}` : '';
  const id = messageId === undefined ? '' : ` as ${visible(messageId)}`;
  return `sent to ${to}${not}${id}: ${replyText(response)}`;
}

function refusedText(response: SmtpResponse): string {
  const { step } = response;
  return `failed${step === undefined ? '' : ` at ${step}`}: ${replyText(response)}`;
}

function replyText({
  code,
  enhanced,
  message,
}: {
  code: number;
  enhanced?: string | undefined;
  message: string;
}): string {
  return `${code}${enhanced === undefined ? '' : ` ${enhanced}`} ${visible(message)}`;
}
