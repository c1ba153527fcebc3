import { readFileSync } from 'node:fs';
import ssh2, { type Client } from 'ssh2';

/** What all programs that speak SSH are told about the fleet. */
export interface Fleet {
  addresses: readonly string[];
  port: number;
  user: string;
  identity: string;
  knownHosts: string;
}

/** ssh2 as a careful program uses it by hand: no Nagle. It looks at no host key, which keylane always does. */
export function connect({ port, user, identity }: Fleet, host: string): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.once('ready', () => {
      client.setNoDelay(true);
      resolve(client);
    });
    client.on('error', reject);
    client.connect({ host, port, username: user, privateKey: readFileSync(identity), readyTimeout: 30_000 });
  });
}

export function exec(
  client: Client,
  command: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      let [code, stdout, stderr]: [number | null, string, string] = [null, '', ''];
      channel.on('data', (data: Buffer) => {
        stdout += data;
      });
      channel.stderr.on('data', (data: Buffer) => {
        stderr += data;
      });
      channel.on('exit', (status: number) => {
        code = status;
      });
      channel.on('close', () => resolve({ code, stdout, stderr }));
      // Its input is empty, as in keylane and node-ssh: a command that reads would else wait for ever.
      channel.end();
    });
  });
}
