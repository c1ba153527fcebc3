import { Command } from 'commander';
import { BATCH_HELP, EXPORT_HELP, RESUME_HELP, RETRY_HELP, RUN_HELP, SHOW_HELP } from './batch-help.js';
import { type GivenRunFlags, givenOf, inputFlags, runFlags, whoFlags } from './batch-run-flags.js';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { FORMAT, oneOf, outFile } from './values.js';

/** The flags of the commands that look after batches. */
export interface BatchFlags extends ConfigFlags {
  format: 'text' | 'json' | 'ndjson';
}

export interface ShowFlags extends BatchFlags {
  follow?: true;
}

export interface ExportFlags extends ConfigFlags {
  format: 'ndjson' | 'csv' | 'junit';
  out?: string;
  ordered?: true;
}

/** Which of a batch's requests to ask again. */
export interface RetryChoice {
  failed?: true;
  notStarted?: true;
  unknown?: true;
  canceled?: true;
}

/** What the commands do. */
export interface BatchRuns {
  run(file: string, flags: GivenRunFlags): Promise<number>;
  resume(id: string, flags: GivenRunFlags): Promise<number>;
  retry(id: string, choice: RetryChoice, flags: GivenRunFlags): Promise<number>;
  list(flags: BatchFlags): Promise<number>;
  show(id: string, flags: ShowFlags): Promise<number>;
  cancel(id: string, flags: ConfigFlags): Promise<number>;
  remove(ids: string[], flags: ConfigFlags): Promise<number>;
  export(id: string, flags: ExportFlags): Promise<number>;
}

/** The `batch` command; `run` gets what to do with the runs. */
export function batchCommand(run: (work: (runs: BatchRuns) => Promise<number>) => Promise<void>): Command {
  const batch = new Command('batch')
    .description('Runs very many requests, and finishes them after whatever ended it.')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', BATCH_HELP);
  const add = (name: string, description: string, help = '') => {
    const command = new Command(name)
      .description(description)
      .helpOption('-h, --help', 'print this help')
      .addHelpText('after', help);
    batch.addCommand(command);
    return command;
  };

  runFlags(inputFlags(whoFlags(add('run', 'Runs the requests of a file.', RUN_HELP))))
    .usage('[flags] [file]')
    .argument('[file]', 'requests as NDJSON, CSV or JSON; - or none is stdin', '-')
    .action((file: string, _: unknown, command: Command) => run((runs) => runs.run(file, givenOf(command))));

  runFlags(whoFlags(add('resume', 'Goes on with a batch, with the flags that it was run with.', RESUME_HELP)))
    .argument('<id>', 'of the batch')
    .action((id: string, _: unknown, command: Command) => run((runs) => runs.resume(id, givenOf(command))));

  const retry = whoFlags(add('retry', 'Asks again what came to nothing, as a new batch.', RETRY_HELP))
    .optionsGroup('Which:')
    .option('--failed', 'what the peer answered no to')
    .option('--not-started', 'what never reached its peer')
    .option('--unknown', 'what may have run')
    .option('--canceled', 'what was called off')
    .option('--id <id>', "the new batch's (default: ID-retry-1, or the next that is free)");
  runFlags(retry)
    .argument('<id>', 'of the batch')
    .action((id: string, _: unknown, command: Command) => {
      const { failed, notStarted, unknown, canceled, ...flags } = givenOf(command) as GivenRunFlags & RetryChoice;
      const choice = {
        ...(failed && { failed }),
        ...(notStarted && { notStarted }),
        ...(unknown && { unknown }),
        ...(canceled && { canceled }),
      };
      return run((runs) => runs.retry(id, choice, flags));
    });

  formatFlags(configFlags(add('list', 'The batches that are kept, the newest first.'))).action(
    (flags: JsonFlag<BatchFlags>) => run((runs) => runs.list(formatted(flags))),
  );
  formatFlags(configFlags(add('show', 'How far a batch is, or how it ended.', SHOW_HELP)))
    .option('--follow', 'again and again, until it has ended')
    .argument('<id>', 'of the batch')
    .action((id: string, flags: JsonFlag<ShowFlags>) => run((runs) => runs.show(id, formatted(flags))));
  configFlags(add('cancel', 'Calls a batch off: what has not started is given up for good.'))
    .argument('<id>', 'of the batch')
    .action((id: string, flags: ConfigFlags) => run((runs) => runs.cancel(id, flags)));
  configFlags(add('rm', 'Removes batches with all that is kept of them.'))
    .argument('<ids...>', 'of the batches')
    .action((ids: string[], flags: ConfigFlags) => run((runs) => runs.remove(ids, flags)));
  configFlags(add('export', 'Prints all results of a batch.', EXPORT_HELP))
    .optionsGroup('Output:')
    .option(
      '--format <format>',
      'ndjson, csv or junit (default: ndjson)',
      oneOf('--format', ['ndjson', 'csv', 'junit']),
      'ndjson',
    )
    .option('--ordered', 'in the order of the input, instead of that in which they settled')
    .option('--out <file>', 'write to a file instead of stdout', outFile)
    .argument('<id>', 'of the batch')
    .action((id: string, flags: ExportFlags) => run((runs) => runs.export(id, flags)));
  return batch;
}

type JsonFlag<T> = T & { json?: true };

function formatFlags(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option(...FORMAT)
    .option('--json', 'the same as --format json');
}

function formatted<T extends BatchFlags>({ json, ...flags }: JsonFlag<T>): T {
  return (json ? { ...flags, format: 'json' } : flags) as T;
}
