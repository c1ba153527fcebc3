import { fork } from 'node:child_process';
import { once } from 'node:events';

export interface HttpServer {
  origins: readonly string[];
  pid: number;
  stop(): Promise<void>;
}

const PROCESS = new URL('./http-server-process.js', import.meta.url);

/** Starts http-server-process.js with so many origins, all of one port. It ends with this process. */
export async function startHttpServer(count: number): Promise<HttpServer> {
  const addresses = Array.from({ length: count }, (_, i) => `127.7.0.${i + 1}`);
  const child = fork(PROCESS, addresses);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    origins: addresses.map((address) => `http://${address}:${port}`),
    pid: child.pid as number,
    async stop() {
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}
