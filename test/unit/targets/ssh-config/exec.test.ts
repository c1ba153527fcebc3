import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorOf, now, Scratch } from './scratch.js';

const TEXT =
  'Match originalhost h exec "echo %h >> @DIR@/ran; test %p = 22"\n  User a\nMatch originalhost h !exec "false"\n  HostName seen\n';

describe('Match exec', () => {
  it('is refused by file and line without leave, and nothing runs', () => {
    const scratch = new Scratch({ config: TEXT });
    expect(errorOf(() => scratch.open().resolve({ host: 'h' }))).toMatch(
      /^ERR_CONFIG_UNSUPPORTED .*config:1: Match exec: .*allowExec/,
    );
    expect(existsSync(scratch.path('ran'))).toBe(false);
  });

  it('does not matter where another criterion fails, before or after it', () => {
    const scratch = new Scratch({
      config: 'Match exec "touch @DIR@/ran" host x\n User a\nMatch host x exec "touch @DIR@/ran"\n User b\n',
    });
    expect(now(scratch.open().resolve({ host: 'h' })).user).toBeUndefined();
    expect(existsSync(scratch.path('ran'))).toBe(false);
  });

  it('runs with leave, by the shell, with its tokens, and once for those who ask at once', async () => {
    const scratch = new Scratch({ config: TEXT });
    const open = scratch.open({ allowExec: true });
    const [first, second] = await Promise.all([open.resolve({ host: 'h' }), open.resolve({ host: 'h' })]);
    expect([first.user, first.hostName, second === first]).toEqual(['a', 'seen', true]);
    expect((await open.resolve({ host: 'h', port: 23 })).user).toBeUndefined();
    expect(readFileSync(scratch.path('ran'), 'utf8')).toBe('h\nh\n');
    expect(now(open.resolve({ host: 'other' })).user).toBeUndefined();
  });

  it('is believed for five seconds', async () => {
    const scratch = new Scratch({ config: 'Match exec "test -e @DIR@/flag"\n User a\n' });
    const open = scratch.open({ allowExec: true });
    expect((await open.resolve({ host: 'h' })).user).toBeUndefined();
    scratch.write('flag', '');
    scratch.clock.advance(4_999);
    expect(now(open.resolve({ host: 'h' })).user).toBeUndefined();
    scratch.clock.advance(1);
    expect((await open.resolve({ host: 'h' })).user).toBe('a');
  });

  it('is killed with all that it has started where it does not end, and named', async () => {
    const scratch = new Scratch({ config: '\nMatch exec "sleep 600 & echo $! > @DIR@/pid; wait"\n User a\n' });
    const asked = Promise.resolve(scratch.open({ allowExec: true }).resolve({ host: 'h' }));
    const failed = expect(asked).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/config:2: Match exec: no end after 10000 ms/),
    });
    await until(() => existsSync(scratch.path('pid')) && readFileSync(scratch.path('pid'), 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(scratch.path('pid'), 'utf8'));
    scratch.clock.advance(10_000);
    await failed;
    await until(() => !isAlive(pid));
  });
});

/** Looks again, a turn of the event loop later, until it is so. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
