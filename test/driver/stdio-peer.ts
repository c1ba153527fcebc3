import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StdioServer } from 'keylane';
import { until } from '../support/engine.js';
import { kill } from '../support/process-tree.js';
import { hostile } from '../support/stdio.js';
import type { DriverUnderTest } from './contract.js';

const STREAMS = 10;

/** The driver `stdio`, on processes of the hostile server that behaves. */
export function stdioUnderTest(more: Partial<StdioServer> = {}): DriverUnderTest<'stdio'> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-contract-'));
  const marks = join(dir, 'marks');
  const words = [`marks:${marks}`, ...(more.framing === undefined ? [] : [more.framing])];
  const server = hostile(words, { stateless: true, processes: 3, requestsPerProcess: STREAMS, ...more });
  return {
    name: 'stdio',
    options: { stdio: { servers: { peer: server, missing: { command: join(dir, 'nothing') } } } },
    streams: STREAMS,
    without: { talking: 'what is said are messages of JSON-RPC, see stdio-live.test.ts' },
    setup: async () => stdioPeer(dir, marks),
  };
}

function stdioPeer(dir: string, marks: string) {
  let last = 0;
  const ask = (method: string, params = {}) => ({ server: 'peer', method, params });
  const hang = () => ask('hold', { file: join(dir, String(++last)) });
  return {
    ok: (i: number) => ask('echo', { i }),
    answer: ({ result }: { result?: unknown }) => result,
    expected: (i: number) => ({ i }),
    failing: () => ask('error', { code: -32_000 }),
    refused: () => ({ server: 'missing', method: 'echo' }),
    hanging: hang,
    started: () => until(() => existsSync(join(dir, String(last)))),
    losing: hang,
    lose() {
      for (const pid of pidsOf(marks)) kill(pid, 'SIGKILL');
    },
    async stop() {
      rmSync(dir, { recursive: true });
    },
  };
}

/** Those that run of all that were started with the word `marks:FILE`. */
function pidsOf(marks: string): number[] {
  const started = existsSync(marks) ? readFileSync(marks, 'utf8').trim().split('\n').map(Number) : [];
  return started.filter((pid) => commandLine(pid).includes(marks));
}

/** Empty where the process has gone: its number may be another's by now. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
