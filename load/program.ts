import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/**
 * A measured program: a process of its own that does what it is asked, one thing at a time. So a figure of a whole process
 * (CPU, memory, file descriptors) is that of the engine or of the peer alone.
 */
export interface Program<Steps> {
  readonly pid: number;
  ask<Step extends keyof Steps>(step: Step, about: About<Steps[Step]>): Promise<Answer<Steps[Step]>>;
  end(): Promise<void>;
}

type About<Step> = Step extends (about: infer A) => unknown ? A : never;
type Answer<Step> = Step extends (...args: never[]) => infer A ? Awaited<A> : never;
type Heard = { answer: unknown } | { failed: string };

/** Starts load/programs/<name>.js. It ends with this process. */
export async function startProgram<Steps>(
  name: string,
  nodeArguments: readonly string[] = [],
): Promise<Program<Steps>> {
  const file = new URL(`./programs/${name}.js`, import.meta.url);
  const child = fork(file, { execArgv: [...process.execArgv, ...nodeArguments], serialization: 'advanced' });
  await once(child, 'spawn');
  return {
    pid: child.pid as number,
    async ask(step, about) {
      const heard = await hear(child, name, { step, about });
      if ('failed' in heard) throw new Error(`${name}: ${String(step)}: ${heard.failed}`);
      return heard.answer as never;
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}

/** The other side: answers what `startProgram`'s caller asks, by these steps. Ends when nobody is there to ask. */
export function serveProgram<Steps extends { [Step in keyof Steps]: (about: never) => unknown }>(steps: Steps): void {
  process.once('disconnect', () => process.exit(0));
  process.on('message', ({ step, about }: { step: keyof Steps; about: never }) => {
    const say = (heard: Heard) => process.send?.(heard);
    Promise.resolve()
      .then(() => steps[step](about))
      .then(
        (answer) => say({ answer }),
        (error: Error) => say({ failed: error.stack ?? String(error) }),
      );
  });
}

function hear(child: ChildProcess, name: string, question: object): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`${name} ended before it answered (${code})`));
    child.once('exit', ended);
    child.once('message', (heard) => {
      child.off('exit', ended);
      resolve(heard as Heard);
    });
    child.send(question, (error) => error && reject(error));
  });
}
