import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Certificate } from './certificate.js';
import { until } from './engine.js';
import { freePort, listens } from './ports.js';

/** Where Debian puts it. Its daemons change to users of its own: it is started by root. */
const MASTER = '/usr/lib/postfix/sbin/master';
/** It ends by itself then, whatever became of the test. */
const MOST_SECONDS = '300';

/**
 * Debian's postfix as a submission server, with a configuration, a queue and a log of its own in a folder: STARTTLS and a
 * log-in are asked for, and what it takes for keylane.test lies in `mails`. Who logs in is asked of the test, by Dovecot's
 * protocol.
 */
export class Postfix {
  readonly port: number;
  readonly certificate: Certificate;
  readonly #dir: string;
  readonly #auth: Server;
  readonly #master: ChildProcess;

  private constructor(dir: string, port: number, certificate: Certificate, auth: Server, master: ChildProcess) {
    this.#dir = dir;
    this.port = port;
    this.certificate = certificate;
    this.#auth = auth;
    this.#master = master;
  }

  /** `users`: passwords by name. `more`: lines of main.cf. */
  static async start(users: Readonly<Record<string, string>>, more: readonly string[] = []): Promise<Postfix> {
    const dir = mkdtempSync(join(tmpdir(), 'keylane-postfix-'));
    chmodSync(dir, 0o755);
    const certificate = new Certificate();
    const port = await freePort(['127.0.0.1']);
    const config = join(dir, 'etc');
    for (const folder of ['etc', 'queue', 'data', 'mail']) mkdirSync(join(dir, folder), { mode: 0o755 });
    const { uid, gid } = owner();
    chownSync(join(dir, 'data'), uid, gid);
    chownSync(join(dir, 'mail'), uid, gid);
    writeFileSync(join(config, 'main.cf'), [...main(dir, certificate, uid, gid), ...more, ''].join('\n'));
    writeFileSync(join(config, 'master.cf'), `${services(port).join('\n')}\n`);
    // Makes the folders of the queue.
    execFileSync('/usr/sbin/postfix', ['-c', config, 'check'], { stdio: 'ignore' });
    const auth = createServer((socket) => serve(socket, users));
    const socket = join(dir, 'queue', 'private', 'auth');
    auth.listen(socket);
    await once(auth, 'listening');
    chmodSync(socket, 0o666);
    const master = spawn(MASTER, ['-c', config, '-d', '-e', MOST_SECONDS], {
      stdio: 'ignore',
      env: { MAIL_CONFIG: config },
    });
    const postfix = new Postfix(dir, port, certificate, auth, master);
    try {
      await until(() => listens(port));
    } catch (error) {
      await postfix.stop();
      throw error;
    }
    return postfix;
  }

  /** What it has delivered. */
  get mails(): string[] {
    const folder = join(this.#dir, 'mail', 'box', 'new');
    try {
      return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    } catch {
      return [];
    }
  }

  async stop(): Promise<void> {
    if (this.#master.exitCode === null && this.#master.signalCode === null) {
      this.#master.kill('SIGTERM');
      await once(this.#master, 'exit');
    }
    this.#auth.close();
    this.certificate.remove();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function owner(): { uid: number; gid: number } {
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postfix'], { encoding: 'utf8' })));
  return { uid: uid as number, gid: gid as number };
}

function main(dir: string, certificate: Certificate, uid: number, gid: number): string[] {
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${dir}/queue`,
    `data_directory = ${dir}/data`,
    `maillog_file = ${dir}/log`,
    `maillog_file_prefixes = ${dir}`,
    'myhostname = mx.keylane.test',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'alias_maps =',
    'local_recipient_maps =',
    'mydestination =',
    'mynetworks =',
    'default_transport = error:nothing leaves here',
    'virtual_mailbox_domains = keylane.test',
    `virtual_mailbox_base = ${dir}/mail`,
    'virtual_mailbox_maps = inline:{bob@keylane.test=box/, carol@keylane.test=box/}',
    `virtual_uid_maps = static:${uid}`,
    `virtual_gid_maps = static:${gid}`,
    'virtual_minimum_uid = 1',
    `smtpd_tls_cert_file = ${certificate.file}`,
    `smtpd_tls_key_file = ${certificate.keyFile}`,
    'smtpd_tls_security_level = encrypt',
    'smtpd_sasl_auth_enable = yes',
    'smtpd_sasl_type = dovecot',
    'smtpd_sasl_path = private/auth',
    'smtpd_relay_restrictions = permit_sasl_authenticated, reject',
    'smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject',
    'message_size_limit = 1000000',
    'smtpd_error_sleep_time = 0',
  ];
}

function services(port: number): string[] {
  return [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'error unix - - n - - error',
    'virtual unix - n n - - virtual',
    'proxymap unix - - n - - proxymap',
    'anvil unix - - n - 1 anvil',
    'postlog unix-dgram n - n - 1 postlogd',
  ];
}

/** Dovecot's authentication protocol, as postfix asks it: one line each. */
function serve(socket: Socket, users: Readonly<Record<string, string>>): void {
  socket.on('error', () => undefined);
  socket.write('VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n');
  const names = new Map<string, string>();
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) {
      const [verb, id = '', ...parameters] = line.split('\t');
      const decide = (user = '', password = '') => {
        const right = user !== '' && users[user] === password;
        socket.write(right ? `OK\t${id}\tuser=${user}\n` : `FAIL\t${id}\tuser=${user}\n`);
      };
      if (verb === 'AUTH' && parameters[0] === 'PLAIN') {
        const given = parameters.find((one) => one.startsWith('resp='))?.slice('resp='.length) ?? '';
        const [, user, password] = Buffer.from(given, 'base64').toString().split('\0');
        decide(user, password);
      } else if (verb === 'AUTH') socket.write(`CONT\t${id}\t${Buffer.from('Username:').toString('base64')}\n`);
      else if (verb === 'CONT') {
        const said = Buffer.from(parameters[0] ?? '', 'base64').toString();
        const user = names.get(id);
        if (user !== undefined) decide(user, said);
        else {
          names.set(id, said);
          socket.write(`CONT\t${id}\t${Buffer.from('Password:').toString('base64')}\n`);
        }
      }
    }
  });
}
