import { Command, CommanderError } from 'commander';
import { accountsCommand } from './accounts-flags.js';
import { batchCommand } from './batch-flags.js';
import { cacheCommand } from './cache-flags.js';
import { callCommand } from './call-flags.js';
import { configCommand } from './config-flags.js';
import { copyCommand } from './copy-flags.js';
import { doctorCommand } from './doctor-flags.js';
import { execCommand } from './flags.js';
import { type Io, UsageError } from './io.js';
import { mailCommand } from './mail-flags.js';
import { reportCommand } from './report-flags.js';
import { serveCommand } from './serve-flags.js';
import { topCommand } from './top-flags.js';

/** Runs a command line and resolves with its exit status. */
export async function program(args: readonly string[], io: Io): Promise<number> {
  // What follows `--` is the remote command; commander must not look at it.
  const dashes = args.indexOf('--');
  const ours = dashes < 0 ? args : args.slice(0, dashes);
  const words = dashes < 0 ? undefined : args.slice(dashes + 1);
  let status = 0;
  const keylane = new Command('keylane')
    .description('Runs commands on very many hosts at once and batches of very many requests, and copies files.')
    .option('-V, --version', 'print the version (alone)')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', '\nkeylane exec --help and keylane batch --help have flags, examples and exit statuses.');
  keylane.addCommand(
    execCommand(async (hosts, flags) => {
      const { exec } = await import('./exec.js');
      status = await exec(hosts, words, flags, io);
    }),
  );
  keylane.addCommand(
    batchCommand(async (work) => {
      if (words !== undefined) throw new UsageError('batch takes no --');
      const { batchRuns } = await import('./batch.js');
      status = await work(batchRuns(io));
    }),
  );
  keylane.addCommand(
    copyCommand(async (paths, flags) => {
      if (words !== undefined) throw new UsageError('copy takes no --: name sources and destination alone');
      const { copy } = await import('./copy.js');
      status = await copy(paths, flags, io);
    }),
  );
  keylane.addCommand(
    callCommand(async (request, flags) => {
      if (words !== undefined) throw new UsageError('call takes no --');
      const { call } = await import('./call.js');
      status = await call(request, flags, io);
    }),
  );
  keylane.addCommand(
    mailCommand(async (flags) => {
      if (words !== undefined) throw new UsageError('mail takes no --');
      const { sendMail } = await import('./mail.js');
      status = await sendMail(flags, io);
    }),
  );
  keylane.addCommand(
    doctorCommand(async (host, flags) => {
      const { doctor } = await import('./doctor.js');
      status = await doctor(host, flags, io);
    }),
  );
  keylane.addCommand(
    configCommand(async (action, flags) => {
      const { config } = await import('./config.js');
      status = await config(action, flags, io);
    }),
  );
  keylane.addCommand(
    cacheCommand(async (work) => {
      const { cacheRuns } = await import('./cache.js');
      status = await work(cacheRuns(io, words));
    }),
  );
  keylane.addCommand(
    reportCommand(async (flags) => {
      const { report } = await import('./report.js');
      status = await report(flags, io);
    }),
  );
  keylane.addCommand(
    accountsCommand(async (run) => {
      if (words !== undefined) throw new UsageError('accounts takes no --');
      const { accountsRuns } = await import('./accounts.js');
      status = await run(accountsRuns(io));
    }),
  );
  keylane.addCommand(
    serveCommand(async (flags) => {
      if (words !== undefined) throw new UsageError('serve takes no --');
      const { serve } = await import('./serve.js');
      status = await serve(flags, ours.slice(1), io);
    }),
  );
  keylane.addCommand(
    topCommand(async (flags) => {
      if (words !== undefined) throw new UsageError('top takes no --');
      const { top } = await import('./top.js');
      status = await top(flags, io);
    }),
  );
  for (const command of withInner(keylane)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(io.stdout.columns ?? 100, 120),
    });
    // The texts say their defaults themselves, in the units that the flags take.
    command.configureHelp({ optionDescription: described, argumentDescription: described });
  }
  // Who reads us may have seen enough, as `head` does. What is more to that a Screen sees to.
  io.stdout.on('error', () => {});
  try {
    await keylane.parseAsync([...ours], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    if (error instanceof CommanderError || error instanceof UsageError) {
      const name = nameOf(keylane, ours);
      io.stderr.write(`${name}: ${worded(error.message)}\nSee ${name} --help.\n`);
      return 2;
    }
    const { KeylaneError } = await import('../index.js');
    const known = error instanceof KeylaneError;
    io.stderr.write(
      `keylane: ${known ? `${error.code}: ${error.message}` : ((error as Error).stack ?? String(error))}\n`,
    );
    return 3;
  }
}

function withInner(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withInner)];
}

const described = ({ description }: { description: string }): string => description;

/** The command that the line names, with those that it is a part of. */
function nameOf(command: Command, words: readonly string[]): string {
  const inner = command.commands.find((one) => one.name() === words[0]);
  return inner ? `${command.name()} ${nameOf(inner, words.slice(1))}` : command.name();
}

/** Of an option that is not known only its name is told: what follows may be a secret. */
function worded(message: string): string {
  return message.replace(/^error: /, '').replace(/^(unknown option '--[^'=]*)=.*'/s, "$1'");
}
