import { resolve } from 'node:path';
import { KeylaneError, systemClock } from '../index.js';
import { checkService, createService, type Service, type ServiceOptions } from '../server/index.js';
import { keptSettings } from './batch-settings.js';
import { configured } from './configured.js';
import { signalStatus } from './exit-status.js';
import { type Io, UsageError } from './io.js';
import { hasTerminal } from './restart.js';
import type { ServeFlags } from './serve-flags.js';
import { SupervisorNotes } from './supervisor-notes.js';
import { visible } from './visible.js';

/** `keylane serve`. Resolves with the exit status when the service has ended. `args`: the words after `keylane serve`. */
export async function serve(flags: ServeFlags, args: readonly string[], io: Io): Promise<number> {
  // Before anything is started: nothing else has to know of systemd.
  const notes = SupervisorNotes.fromEnvironment(process.env, {
    clock: systemClock,
    onProblem: (problem) => io.stderr.write(`keylane serve: ${visible(problem)}\n`),
  });
  const options = await serviceOptions(flags, io);
  if (flags.check) return checked(options, io);
  const ending = new Ending(
    io,
    () => notes.stopping(),
    (service) => reload(service, flags, io),
  );
  try {
    const service = await started(options);
    io.goOn?.(['serve', ...listeningOn(args, service.url)]);
    io.stdout.write(`keylane serves ${service.url} (token: ${visible(service.tokenFile)})\n`);
    notes.ready(() => isAlive(service));
    return await ending.of(service);
  } finally {
    ending.stop();
  }
}

/** Takes tokens and certificate anew. What is wrong with them is told, and all goes on as it was. */
async function reload(service: Service, flags: ServeFlags, io: Io): Promise<void> {
  try {
    const { tokens = [], tls } = await serviceOptions(flags, io);
    service.reload({ tokens, ...(tls && { tls }) });
  } catch (error) {
    io.stderr.write(`keylane serve: not reloaded: ${visible((error as Error).message)}\n`);
  }
}

/** Prints what would keep it from starting, and resolves with the exit status. */
async function checked(options: ServiceOptions, io: Io): Promise<number> {
  const findings = await checkService(options);
  const width = Math.max(...findings.map(({ what }) => what.length));
  for (const { what, ok, says } of findings) {
    for (const line of says.split('\n'))
      io.stdout.write(`${ok ? 'ok     ' : 'problem'} ${what.padEnd(width)} ${visible(line)}\n`);
  }
  return findings.every(({ ok }) => ok) ? 0 : 2;
}

/** A shard that stands still does not answer until it is replaced. One that serves is enough: the others are being started. */
async function isAlive({ engine }: Service): Promise<boolean> {
  const { shards } = await engine.stats();
  return shards.some(({ inside }) => inside !== undefined);
}

/** Flags over configuration. */
async function serviceOptions(flags: ServeFlags, io: Io): Promise<ServiceOptions> {
  const { listen, tlsCert, tlsKey, allowInsecure, allowHost, allowOrigin, audit, resume, closeTimeout, drainDelay } =
    flags;
  const { config, options } = await configured({ ...flags, inventory: [] }, io);
  const { serve } = config;
  const { confirmHostKey: _, ...ssh } = options.ssh ?? {};
  if (ssh.hostKeys === 'ask')
    throw new UsageError('--host-keys ask: a service has nobody to ask; write strict, accept-new or insecure');
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError('--tls-cert and --tls-key go together: give both or neither');
  return {
    ...serve,
    engine: { ...options, ssh },
    ...listen,
    ...(tlsCert !== undefined && tlsKey !== undefined && { tls: { cert: resolve(tlsCert), key: resolve(tlsKey) } }),
    ...(allowInsecure && { allowInsecure }),
    ...(allowHost.length > 0 && { allowHosts: allowHost }),
    ...(allowOrigin.length > 0 && { allowOrigins: allowOrigin }),
    ...(audit !== undefined && { audit: resolve(audit) }),
    ...(!resume && { resume }),
    batchSettings: batchSettings(flags),
    ...(closeTimeout !== undefined && { closeTimeoutMs: closeTimeout }),
    ...(drainDelay !== undefined && { drainDelayMs: drainDelay }),
    log: {
      level: flags.logLevel ?? serve.log?.level ?? 'info',
      format: flags.logFormat ?? serve.log?.format ?? (io.stderr.isTTY ? 'pretty' : 'json'),
      write: (line) => io.stderr.write(line),
    },
  };
}

/** How hosts are reached, for `keylane batch resume` of what this service has left. */
function batchSettings(flags: ServeFlags): object {
  const { listen, tlsCert, tlsKey, allowInsecure, allowHost, allowOrigin, audit, resume, restart, ...others } = flags;
  const { closeTimeout, drainDelay, logLevel, logFormat, check, skipBad, ...engine } = others;
  return keptSettings(engine).flags;
}

/** What is wrong with the options, or with where it is to listen, is wrong with the command line: exit status 2. */
async function started(options: ServiceOptions): Promise<Service> {
  try {
    return await createService(options);
  } catch (error) {
    if (error instanceof KeylaneError && error.code.startsWith('ERR_CONFIG')) throw new UsageError(error.message);
    throw error;
  }
}

/** The same arguments with the port that it got: clients know it. */
function listeningOn(args: readonly string[], url: string): string[] {
  const words = args.filter((word, at) => args[at - 1] !== '--listen' && !/^--listen(=|$)/.test(word));
  // The port that goes without saying is left out of an URL.
  const { host, port, protocol } = new URL(url);
  return ['--listen', port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host, ...words];
}

/**
 * What signals do to a service. SIGHUP is what the end of a terminal sends: it ends, too. Without a terminal it is how a
 * service is told to read tokens and certificate anew.
 *
 *     serving ── SIGTERM, SIGINT, SIGHUP ──▶ closing ── again ──▶ cut ── again ──▶ the process ends at once
 */
class Ending {
  readonly #io: Io;
  readonly #listeners: [NodeJS.Signals, () => void][] = [];
  #state: 'serving' | 'closing' | 'cut' = 'serving';
  #service: Service | undefined;
  /** Of the signal that cut. */
  #status = 0;
  #resolve!: (status: number) => void;
  #reject!: (error: unknown) => void;
  readonly #ended = new Promise<number>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  readonly #onStop: () => void;

  constructor(io: Io, onStop: () => void, reload: (service: Service) => Promise<void>) {
    this.#io = io;
    this.#onStop = onStop;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) this.#on(signal, () => this.#ends(signal));
    this.#on('SIGHUP', () => {
      if (hasTerminal()) this.#ends('SIGHUP');
      else if (this.#service && this.#state === 'serving') void reload(this.#service);
    });
    this.#on('SIGUSR2', () => this.#service?.cycleLogLevel());
  }

  /** Resolves with the exit status when the service has ended. */
  of(service: Service): Promise<number> {
    this.#service = service;
    // It was asked to while it started.
    if (this.#state !== 'serving') this.#close(service);
    return this.#ended;
  }

  stop(): void {
    for (const [signal, listener] of this.#listeners) this.#io.off(signal, listener);
  }

  #on(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.push([signal, listener]);
    this.#io.on(signal, listener);
  }

  #ends(signal: NodeJS.Signals): void {
    if (this.#state === 'serving') {
      this.#state = 'closing';
      this.#onStop();
      if (this.#service) this.#close(this.#service);
    } else if (this.#state === 'closing' && this.#service) {
      this.#state = 'cut';
      this.#status = signalStatus(signal);
      this.#service.destroy(`the service got ${signal} again`).catch(this.#reject);
    } else {
      this.#io.exit(signalStatus(signal));
    }
  }

  #close(service: Service): void {
    service.close().then(() => this.#resolve(this.#status), this.#reject);
  }
}
