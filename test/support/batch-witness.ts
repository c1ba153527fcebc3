import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Sshd, startSshd } from './sshd.ts';

/** What a job is to come to. */
export interface Promised {
  id: string;
  idempotent: boolean;
  /** `dead`: nobody is there. */
  kind: 'plain' | 'big' | 'fails' | 'dead';
}

/** A line of a batch's input. */
export interface WitnessedJob {
  id: string;
  driver: 'ssh';
  request: { host: string; port: number; user: string; identity: string; knownHosts: string; command: string };
  idempotent: boolean;
  attempts?: number;
}

/** What is recorded of a job in the end: a line of `export`. */
export interface Recorded {
  index: number;
  id: string;
  outcome: string;
  response?: { stdout?: string };
  error?: { code: string; message: string };
  attempts: number;
}

const BIG = 100_000;
/** Nobody listens there. */
const DEAD_PORT = 1;

/**
 * A real sshd whose commands leave behind, outside of keylane, that they ran: each appends its job's id to one log, in one
 * write. It can also stop the next command that comes, just before or just after that, and tell of it.
 */
export class Witness implements AsyncDisposable {
  readonly sshd: Sshd;
  readonly dir: string;

  private constructor(sshd: Sshd) {
    this.sshd = sshd;
    this.dir = mkdtempSync(join(sshd.dir, 'witness-'));
    // Others than we write here: who logs in.
    chmodSync(this.dir, 0o777);
    writeFileSync(join(this.dir, 'log'), '');
    chmodSync(join(this.dir, 'log'), 0o666);
    writeFileSync(join(this.dir, 'job'), script(this.dir));
  }

  static async start(addresses: readonly string[]): Promise<Witness> {
    return new Witness(await startSshd({ addresses }));
  }

  /** How often the command of each id ran. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const id of readFileSync(join(this.dir, 'log'), 'utf8').split('\n')) {
      if (id !== '') counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  /** Resolves when a command that leaves its mark makes it so. */
  async until(holds: () => boolean): Promise<void> {
    for (;;) {
      const over = new AbortController();
      const changed = once(watch(join(this.dir, 'log'), { signal: over.signal }), 'change');
      changed.catch(() => {});
      const isSo = holds();
      if (!isSo) await changed;
      over.abort();
      if (isSo) return;
    }
  }

  /** The lines of an input. */
  lines(jobs: readonly Promised[]): WitnessedJob[] {
    const { addresses, port, user, identity, knownHosts } = this.sshd;
    return jobs.map(({ id, kind, idempotent }, i) => {
      const host = addresses[i % addresses.length]!;
      const command = `id=${id} kind=${kind}; . ${join(this.dir, 'job')}`;
      const request = { host, port: kind === 'dead' ? DEAD_PORT : port, user, identity, knownHosts, command };
      return { id, driver: 'ssh', request, idempotent, ...(kind === 'dead' && { attempts: 1 }) };
    });
  }

  /** The next command stops before or after it has left its mark, for good; resolves with its job's id. */
  async stopNext(at: 'before' | 'after', signal: AbortSignal): Promise<string | undefined> {
    const armed = join(this.dir, at);
    const hit = new Promise<string | undefined>((resolve) => {
      const watcher = watch(this.dir, { signal }, (_, name) => {
        if (!name?.startsWith(`${at}.`) || !existsSync(join(this.dir, name))) return;
        watcher.close();
        resolve(name.slice(at.length + 1));
      });
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    writeFileSync(armed, '');
    const id = await hit;
    rmSync(armed, { force: true });
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sshd.stop();
  }
}

/** Read into the shell that sshd starts, so that a job is one process. Who gets hold of the file that is armed stops. */
function script(dir: string): string {
  const stop = (at: string) => `[ -e ${dir}/${at} ] && mv ${dir}/${at} ${dir}/${at}.$id 2>/dev/null && exec sleep 600`;
  return [
    stop('before'),
    `echo $id >> ${dir}/log`,
    stop('after'),
    `[ $kind = big ] && printf '%0${BIG}d' 0`,
    'echo $id',
    '[ $kind = fails ] && exit 3',
    'exit 0',
    '',
  ].join('\n');
}

/** Every other one idempotent; of 100 some fail, some cannot be reached, one prints more than a journal's page takes. */
export function mixedJobs(count: number): Promised[] {
  return Array.from({ length: count }, (_, i) => {
    const kind = i % 50 === 7 ? 'dead' : i % 25 === 3 ? 'fails' : i % 100 === 11 ? 'big' : 'plain';
    return { id: `job-${i}`, idempotent: i % 2 === 0, kind };
  });
}

export interface Evidence {
  jobs: readonly Promised[];
  counts: ReadonlyMap<string, number>;
  /** Every result that was handed out, in all lives of the batch. */
  acknowledged: readonly Pick<Recorded, 'id' | 'outcome'>[];
  recorded: readonly Recorded[];
}

/** What is not as R1, R2 and R3 promise it, a sentence each. */
export function brokenPromises({ jobs, counts, acknowledged, recorded }: Evidence): string[] {
  const broken: string[] = [];
  const records = new Map<string, Recorded>();
  for (const record of recorded) {
    if (records.has(record.id)) broken.push(`${record.id} is recorded twice`);
    records.set(record.id, record);
    if (jobs[record.index]?.id !== record.id) broken.push(`${record.id} has the index ${record.index}`);
  }
  for (const { id, outcome } of acknowledged) {
    const record = records.get(id);
    if (record?.outcome !== outcome) broken.push(`${id} was told to be ${outcome} and is ${record?.outcome}`);
  }
  const told = new Set<string>();
  for (const { id } of acknowledged) {
    if (told.has(id)) broken.push(`${id} was handed out twice`);
    told.add(id);
  }
  for (const job of jobs) {
    const record = records.get(job.id);
    if (record) broken.push(...brokenBy(job, record, counts.get(job.id) ?? 0));
    else broken.push(`${job.id} is lost`);
  }
  const known = new Set(jobs.map(({ id }) => id));
  for (const id of [...counts.keys(), ...records.keys()]) if (!known.has(id)) broken.push(`${id} was never asked for`);
  return broken;
}

function brokenBy({ id, idempotent, kind }: Promised, record: Recorded, count: number): string[] {
  const { outcome, response } = record;
  const broken: string[] = [];
  const says = (text: string) => broken.push(`${id} (${outcome}) ${text}`);
  const isAnswered = outcome === 'ok' || outcome === 'failed';
  if (idempotent && kind !== 'dead' && !isAnswered) says('may be run again and has no end');
  if (!idempotent && count > 1) says(`ran ${count} times`);
  if (isAnswered) {
    if (count === 0) says('never ran');
    if ((outcome === 'failed') !== (kind === 'fails')) says('has the outcome of another');
    const { stdout } = response ?? {};
    const length = id.length + 1 + (kind === 'big' ? BIG : 0);
    if (stdout !== undefined && (stdout.length !== length || !stdout.endsWith(`${id}\n`)))
      says('has the answer of another');
  } else if (outcome === 'not_started') {
    if (count > 0) says(`ran ${count} times`);
  } else if (outcome !== 'unknown') {
    says('was called off by nobody');
  }
  return broken;
}
