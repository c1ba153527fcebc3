import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';
import type { Opening } from '../opening.js';
import type { Wire } from '../wire.js';
import { becomeProxy, controlOf, terminate } from './control.js';
import { notMastered, notStarted } from './failures.js';
import { masterArguments } from './options.js';
import { relay } from './relay.js';
import { Warden } from './warden.js';

/** sun_path has 108 bytes, and ssh adds 17 to ours until the socket is there. */
const LONGEST_FOLDER = 70;
const MOST_SAID = 8_192;

/** A running master, by two connections to it: one for the channels, one to end it with. */
export interface Master {
  readonly channels: Socket;
  end(): void;
}

/**
 * Starts a master of `ssh` that is logged in. It lives for as long as we are connected to it: it ends with this process
 * or thread, however that ends, which the Warden sees to, and so does its socket.
 *
 * `ssh -M -N` with ControlPersist goes to the background when it is logged in and listens: its exit status 0 tells.
 */
export async function startMaster(target: SshTarget, opening: Opening, way?: Wire): Promise<Master> {
  const base = tmpdir().length > LONGEST_FOLDER ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(base, 'keylane-'));
  const path = join(folder, 's');
  const opened: Socket[] = [];
  const warden = new Warden(path);
  try {
    const proxy = way && (await relay(way, join(folder, 'j')));
    opening.phase = 'connect';
    await run(masterArguments(target, path, opening.left, proxy), opening);
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
    return { channels, end };
  } catch (error) {
    const [control, channels] = opened;
    if (control) terminate(control);
    channels?.destroy();
    warden.end();
    if (error instanceof KeylaneError) throw error;
    throw new KeylaneError('ERR_CONNECT', `${opening.key}: no use of the master of ssh: ${(error as Error).message}`, {
      key: opening.key,
      cause: error,
    });
  }
}

/** Resolves when `ssh` has ended with 0. In a process group of its own: what it has started is killed with it. */
async function run(argv: string[], opening: Opening): Promise<void> {
  const { key } = opening;
  const env: NodeJS.ProcessEnv = { ...process.env, SSH_ASKPASS_REQUIRE: 'never' };
  delete env.SSH_ASKPASS;
  const child = spawn('ssh', argv, { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < MOST_SAID) said += text;
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(notStarted(key, error)));
    child.once('exit', (code) => {
      if (code === 0) resolve();
      // What it wrote may still be on its way.
      else child.once('close', () => reject(notMastered(key, said)));
    });
  });
  ended.catch(() => undefined);
  try {
    await opening.step(ended);
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
