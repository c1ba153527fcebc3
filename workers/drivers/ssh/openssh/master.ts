import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';
import type { OpenContext } from '../../../../src/types.js';
import type { Opening } from '../../../../src/util/opening.js';
import type { Wire } from '../wire.js';
import { Answers } from './answers.js';
import { Askpass } from './askpass.js';
import { becomeProxy, controlOf, terminate } from './control.js';
import { childEnvironment } from './environment.js';
import { notMastered, notPrepared, notStarted } from './failures.js';
import { masterArguments } from './options.js';
import { relay } from './relay.js';
import { problemOfSoleIdentity } from './sole-identity.js';
import { Warden } from './warden.js';

/** sun_path has 108 bytes, and ssh adds 17 to ours until the socket is there. */
const LONGEST_FOLDER = 70;
/** A probe reads all of it: some 10 KiB. */
const MOST_SAID = 64 << 10;
/** The last line that a probe reads. */
const LOGGED_IN = /^Authenticated to /m;

/** A running master, by two connections to it: one for the channels, one to end it with. */
export interface Master {
  readonly channels: Socket;
  /** What it wrote before it was logged in. */
  readonly said: string;
  end(): void;
}

/**
 * Starts a master of `ssh` that is logged in. It lives for as long as we are connected to it: it ends with this process
 * or thread, however that ends, which the Warden sees to, and so does its socket.
 *
 * `ssh -M -N` with ControlPersist goes to the background when it is logged in and listens: its exit status 0 tells.
 */
export async function startMaster(
  target: SshTarget,
  context: OpenContext,
  opening: Opening,
  way?: Wire,
): Promise<Master> {
  opening.phase = 'preparation';
  const answers = await opening.step(Answers.of(target, context, opening));
  const environment = (more = {}) => childEnvironment(answers?.secrets ?? [], more);
  const base = tmpdir().length > LONGEST_FOLDER ? '/tmp' : tmpdir();
  const { folder, path, warden } = await prepared(opening.key, base, environment());
  const opened: Socket[] = [];
  let askpass: Askpass | undefined;
  try {
    const proxy = way && (await relay(way, join(folder, 'j')));
    askpass = answers && (await Askpass.listen(folder, (prompt, asker) => answers.to(prompt, asker)));
    opening.phase = 'connect';
    const argv = masterArguments(target, path, opening.left, { answers, proxy });
    const said = await run(argv, environment(askpass?.environment), opening, {
      answers,
      until: target.told ? LOGGED_IN : undefined,
    });
    askpass?.close();
    const control = await opening.step(controlOf(path));
    opened.push(control);
    const channels = await opening.step(controlOf(path));
    opened.push(channels);
    await opening.step(becomeProxy(channels));
    const end = () => terminate(control);
    channels.once('close', () => {
      end();
      warden.dismiss();
    });
    return { channels, said, end };
  } catch (error) {
    askpass?.close();
    const [control, channels] = opened;
    if (control) terminate(control);
    channels?.destroy();
    warden.end();
    const isRefusal = error instanceof KeylaneError && error.code === 'ERR_AUTH' && target.password === undefined;
    if (isRefusal) throw (await problemOfSoleIdentity(target)) ?? error;
    if (error instanceof KeylaneError) throw error;
    if (opening.phase === 'preparation') throw notPrepared(opening.key, error as Error);
    throw new KeylaneError('ERR_CONNECT', `${opening.key}: no use of the master of ssh: ${(error as Error).message}`, {
      key: opening.key,
      cause: error,
    });
  }
}

/** A folder for its socket, and who watches over both. */
async function prepared(key: string, base: string, env: NodeJS.ProcessEnv) {
  let folder: string | undefined;
  try {
    folder = await mkdtemp(join(base, 'keylane-'));
    const path = join(folder, 's');
    return { folder, path, warden: await Warden.start(path, env) };
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    throw notPrepared(key, error as Error);
  }
}

interface Watch {
  /** What it is told; `over` ends it. */
  answers: Answers | undefined;
  /** What it has to have said. */
  until: RegExp | undefined;
}

/**
 * Resolves with what `ssh` said when it has ended with 0. In a process group of its own: what it has started is killed
 * with it.
 */
async function run(
  argv: string[],
  env: NodeJS.ProcessEnv,
  opening: Opening,
  { answers, until }: Watch,
): Promise<string> {
  const { key } = opening;
  const child = spawn('ssh', argv, { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  // Where there is no descriptor for its pipe it has no `stderr` either.
  if (child.pid === undefined) throw notStarted(key, (await once(child, 'error'))[0]);
  if (answers) answers.asker = child.pid;
  let said = '';
  const ended = new Promise<string>((resolve, reject) => {
    const look = () => {
      if (child.exitCode === 0 && (!until || until.test(said))) resolve(said);
    };
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < MOST_SAID) said += text;
      look();
    });
    child.on('error', reject);
    child.once('exit', (code) => {
      look();
      // What it wrote may still be on its way.
      child.once('close', () => (code === 0 ? resolve(said) : reject(notMastered(key, said))));
    });
  });
  ended.catch(() => undefined);
  try {
    return await opening.step(answers ? Promise.race([answers.over, ended]) : ended);
  } catch (error) {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    throw error;
  } finally {
    child.stderr.destroy();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
