import { Command } from 'commander';
import { type SshFlags, sshFlags } from './ssh-flags.js';

/** The flags of `keylane doctor`. */
export interface DoctorFlags extends SshFlags {
  json?: true;
  resolve?: true;
}

const HELP = `
Looks at one host step by step: what ssh_config says of it, its address, the connection, the key exchange, the host key,
the log-in, the sessions, and how long a command takes. The last line says what to mend.

Examples:
  keylane doctor web-17
  keylane doctor --json deploy@web-17:2222
  keylane doctor --resolve web-17        what ssh_config comes to, as ssh -G prints it, without a connection

Exit status: 0 all is well; 1 something is to be mended; 2 the command line or the configuration is not valid.
`;

/** The `doctor` command; `run` gets the host as typed and the flags. */
export function doctorCommand(run: (host: string, flags: DoctorFlags) => Promise<void>): Command {
  const command = new Command('doctor')
    .description('Looks at one host step by step and says what to mend.')
    .usage('[flags] <host>')
    .argument('<host>', 'user@host:port');
  return sshFlags(command)
    .optionsGroup('Output:')
    .option('--resolve', 'only print what ssh_config comes to, in the format of ssh -G')
    .option('--json', 'one JSON object')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .action(run);
}
