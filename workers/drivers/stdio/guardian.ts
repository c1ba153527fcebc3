import { randomUUID } from 'node:crypto';
import { type Deferred, deferred } from '../../../src/util/deferred.js';
import { Guard, type GuardCounts } from '../../../src/util/guard.js';

/** In the environment of each process that is started, and so in that of what it starts: they are found again by it. */
export const MARKER = 'KEYLANE_CHILD';

/**
 * `$1` is the marker of all processes, as far as they have it in common. Lines: `+ GROUP` a process has been started;
 * `- GROUP:NUMBER …` these have ended, which is answered when nothing with their marker is left; `bye` it is over.
 * Where the input ends without `bye`, all that was started is ended: they have seen the end of their own input too, so
 * TERM, and a second later KILL. A process that has left its group is found by its marker, where there is a /proc.
 *
 * In the words that dash, bash and busybox have in common: their `kill` takes no `--` in common.
 */
const SCRIPT = `
sweep() {
  for round in 1 2 3 4 5 6 7 8 9 10; do
    found=
    for file in $(grep -lsF "$@" /proc/[0-9]*/environ 2>/dev/null); do
      file=\${file#/proc/}
      found="$found \${file%/environ}"
    done
    [ "$found" ] || return 0
    kill -KILL $found 2>/dev/null
  done
}
anyone() {
  for group in $groups; do kill -0 -$group 2>/dev/null && return 0; done
  return 1
}
groups=' '
prefix=$1
while read -r verb words; do
  case $verb in
    +) groups="$groups$words " ;;
    -)
      set --
      for word in $words; do
        group=\${word%:*}
        set -- "$@" -e "$prefix.\${word#*:}."
        case $groups in *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;; esac
      done
      sweep "$@"
      echo swept
      ;;
    bye) exit ;;
  esac
done
for group in $groups; do kill -TERM -$group 2>/dev/null; done
for pause in 1 2 3 4 5 6 7 8 9 10; do
  anyone || break
  sleep 0.1 2>/dev/null || sleep 1
done
for group in $groups; do kill -KILL -$group 2>/dev/null; done
sweep -e "$prefix."
`;

interface Ended {
  group: number;
  number: number;
  swept: Deferred<void>;
}

/**
 * The one guard of a shard's processes, there while there are any. It outlives us, and it looks for what they have left
 * behind: a look at all environments of a machine takes some 10 ms, which are not to be this thread's.
 */
export class Guardian {
  readonly counts: GuardCounts = { running: 0, started: 0 };
  readonly #id = randomUUID();
  #guard: Promise<Guard> | undefined = undefined;
  /** The one that watches. One that was told that it is over takes a while to end, and another may watch by then. */
  #watching: Guard | undefined = undefined;
  /** By their numbers; each is the leader of a group of its own. 0: about to be started. */
  readonly #groups = new Map<number, number>();
  #last = 0;
  #ended: Ended[] = [];
  /** What the guard is at. */
  #sweeping: Ended[] = [];

  /** Before a process is started. Rejects where there can be no guard. */
  async expect(): Promise<{ number: number; marker: string }> {
    const number = ++this.#last;
    this.#groups.set(number, 0);
    try {
      this.#guard ??= this.#start();
      await this.#guard;
    } catch (error) {
      this.#guard = undefined;
      this.#groups.delete(number);
      throw error;
    }
    return { number, marker: `${this.#id}.${number}.` };
  }

  async started(number: number, group: number): Promise<void> {
    this.#groups.set(number, group);
    (await this.#guard)?.tell(`+ ${group}`);
  }

  /** It has ended, and its group has been killed. Resolves when nothing else of it is left, as far as it can be found. */
  async over(number: number): Promise<void> {
    const group = this.#groups.get(number);
    if (group === undefined) return;
    const guard = await this.#guard;
    const swept = deferred<void>();
    if (group > 0 && guard?.running) {
      this.#ended.push({ group, number, swept });
      if (this.#sweeping.length === 0) this.#sweep(guard);
      await swept.promise;
    }
    this.#groups.delete(number);
    if (this.#groups.size > 0) return;
    this.#guard = undefined;
    this.#watching = undefined;
    guard?.end('bye');
  }

  async #start(): Promise<Guard> {
    const env = { PATH: process.env.PATH };
    const args = [`${MARKER}=${this.#id}`];
    const guard = await Guard.start({ script: SCRIPT, args, env, counts: this.counts, said: () => this.#swept(guard) });
    for (const group of this.#groups.values()) if (group > 0) guard.tell(`+ ${group}`);
    // Killed by somebody: the next process has another, which is told of all.
    this.#watching = guard;
    guard.onExit(() => {
      if (this.#watching !== guard) return;
      this.#guard = undefined;
      this.#watching = undefined;
      for (const { swept } of [...this.#sweeping.splice(0), ...this.#ended.splice(0)]) swept.resolve();
    });
    return guard;
  }

  /** Those that end while it looks are looked for together, with its next look. */
  #sweep(guard: Guard): void {
    this.#sweeping = this.#ended;
    this.#ended = [];
    guard.tell(`- ${this.#sweeping.map(({ group, number }) => `${group}:${number}`).join(' ')}`);
  }

  #swept(guard: Guard): void {
    for (const { swept } of this.#sweeping.splice(0)) swept.resolve();
    if (this.#ended.length > 0) this.#sweep(guard);
  }
}
