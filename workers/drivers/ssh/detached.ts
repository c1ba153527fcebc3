import { KeylaneError } from '../../../src/errors.js';
import type { DetachedOrder, ExecOrder } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import { quoteArgv, scriptLine } from '../../../src/util/quote.js';

/** Where a detached command keeps what it is, what it wrote and how it ended, below the user's home. */
const RUNS = '.keylane/runs';

/** `pid start`: a number alone may be another process by now, after a reboot or 4 million processes. Linux, else the pid alone. */
const IDENTIFY = `s() { [ -r "/proc/$1/stat" ] && sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20 || echo -; }`;
const STATE = [
  IDENTIFY,
  'if [ -e "$d/code" ]; then c=$(cat "$d/code"); echo "ended $c"',
  // It may have ended between the two looks.
  'elif read -r p t 2>/dev/null <"$d/pid" && kill -0 "$p" 2>/dev/null && [ "$(s "$p")" = "$t" ]; then echo running',
  'elif [ -e "$d/code" ]; then c=$(cat "$d/code"); echo "ended $c"',
  'else echo lost; fi',
].join('\n');

/**
 * Starts a command that outlives the connection. Making its directory is what decides: of two that start one id, however
 * far apart, one runs it and the other says what became of it.
 */
export function startOf(order: ExecOrder, id: string): ExecOrder {
  const { command, stdin, env, wishedEnv, maxOutputBytes, encoding } = order;
  const child = [
    IDENTIFY,
    'echo "$$ $(s $$)" >"$d/pid.new"; mv "$d/pid.new" "$d/pid"',
    '[ -n "$SHELL" ] || SHELL=/bin/sh',
    '"$SHELL" -c "$(cat "$d/command")" <"$d/in" >"$d/out" 2>"$d/err"',
    'echo $? >"$d/code.new"; mv "$d/code.new" "$d/code"',
  ].join('\n');
  const script = [
    'umask 077',
    `r="$HOME/${RUNS}"; d="$r/${id}"; export d; c=${quoteArgv([command])}`,
    'mkdir -p "$r" || exit 1',
    'if mkdir "$d" 2>/dev/null; then',
    '  cat >"$d/in" && printf %s "$c" >"$d/command" || exit 1',
    '  if command -v setsid >/dev/null 2>&1; then n=setsid; else n=nohup; fi',
    `  $n sh -c ${quoteArgv([child])} >/dev/null 2>&1 </dev/null &`,
    '  i=0; while [ ! -s "$d/pid" ] && [ ! -e "$d/code" ] && [ $i -lt 100 ]; do i=$((i+1)); sleep 0.02; done',
    // Still being written by another start of the same id.
    'elif [ -e "$d/command" ] && [ "$(cat "$d/command")" != "$c" ]; then echo taken; exit; fi',
    STATE,
  ].join('\n');
  const started: ExecOrder = { op: 'exec', command: scriptLine(script), maxOutputBytes, encoding };
  if (stdin !== undefined) started.stdin = stdin;
  if (env !== undefined) started.env = env;
  if (wishedEnv !== undefined) started.wishedEnv = wishedEnv;
  return { ...started, maxOutputBytes: LEAST, encoding: 'utf8' };
}

/** Asks for it; with `collect` for its output too. */
export function lookOf({ op, id, maxOutputBytes }: DetachedOrder): ExecOrder {
  const script = [
    `d="$HOME/${RUNS}/${id}"`,
    '[ -d "$d" ] || { echo none; exit; }',
    STATE,
    ...(op === 'collect' ? ['cat "$d/out" 2>/dev/null; cat "$d/err" >&2 2>/dev/null; :'] : []),
  ].join('\n');
  // The line with the state comes on top of what may be kept.
  return {
    op: 'exec',
    command: scriptLine(script),
    maxOutputBytes: maxOutputBytes + LEAST,
    encoding: 'buffer',
  };
}

/** Removes what it left. */
export function removalOf(id: string): ExecOrder {
  return { op: 'exec', command: `exec rm -rf -- "$HOME/${RUNS}/${id}"`, maxOutputBytes: LEAST, encoding: 'utf8' };
}

const LEAST = 1024;

/** What the host said of the start. */
export function readStart(response: SshResponse, id: string, key: string): SshResponse {
  const said = String(response.stdout).trim();
  if (said === 'taken') return refused(`the id ${id} is taken by another command`);
  if (response.code !== 0 || said === '') {
    // The directory could not be made: nothing runs.
    return refused(`the command was not started: ${String(response.stderr).trim()}`);
  }
  const state = stateOf(said, id, key);
  return { code: 0, signal: null, stdout: '', stderr: '', truncated: false, detached: { id, running: state.running } };
}

/** What the host said of a look: the state, and after it the output. */
export function readLook(response: SshResponse, order: DetachedOrder, key: string): SshResponse {
  const { id, encoding } = order;
  const bytes = response.stdout as Buffer;
  const end = bytes.indexOf(10);
  const said = bytes.toString('latin1', 0, Math.max(0, end)).trim();
  if (said === 'none') return refused(`there is no detached command ${id} for this user; or it was collected`);
  const { running, code } = stateOf(said, id, key);
  const stdout = bytes.subarray(end + 1);
  const stderr = response.stderr as Buffer;
  const text = (output: Buffer) => {
    const kept = output.subarray(0, order.maxOutputBytes);
    return encoding === 'utf8' ? kept.toString('utf8') : kept;
  };
  return {
    code,
    signal: null,
    stdout: text(stdout),
    stderr: text(stderr),
    truncated: response.truncated || Math.max(stdout.length, stderr.length) > order.maxOutputBytes,
    detached: { id, running },
  };
}

function refused(why: string): SshResponse {
  return { code: 1, signal: null, stdout: '', stderr: `${why}\n`, truncated: false };
}

/** `lost`: it ended and nobody wrote down how. */
function stateOf(said: string, id: string, key: string): { running: boolean; code: number | null } {
  if (said === 'running') return { running: true, code: null };
  if (said === 'lost') return { running: false, code: null };
  const [, code] = /^ended (\d+)$/.exec(said) ?? [];
  if (code !== undefined) return { running: false, code: Number(code) };
  const message = `${key} does not say what became of the detached command ${id}: ${JSON.stringify(said.slice(0, 100))}`;
  throw new KeylaneError('ERR_PROTOCOL', message, { key, outcome: 'unknown' });
}
