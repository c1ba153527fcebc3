import { describe, expect, it } from 'vitest';
import { program } from '../../../src/cli/program.ts';
import { FakeIo } from './fake-exec.ts';

async function run(...args: string[]) {
  const io = new FakeIo();
  const status = await program(args, io);
  return { status, out: io.out, err: io.err };
}

describe('the keylane command line', () => {
  it.each([
    [['exce', 'a'], "unknown command 'exce'", 'Did you mean exec?'],
    [['exec', '--tiemout', '3', 'a', '--', 'true'], "unknown option '--tiemout'", 'Did you mean --timeout?'],
    [['exec', '--timeout', 'soon', 'a', '--', 'true'], '--timeout "soon"', '30s'],
    [['exec', '--timeout'], 'argument missing', 'See keylane exec --help'],
    [['exec', 'a'], 'no command', 'write it after --'],
    [['exec', 'a', '--'], 'no command', 'write it after --'],
    [['exec', '--', 'true'], 'no hosts', '-H'],
    [['exec', '-x', 'a', 'a[', '--', 'true'], '"a["', 'write ranges as'],
    [['exec', '@web', '--', 'true'], 'is no group', 'keylane.yaml'],
    [['exec', '--host-keys', 'ask', 'a', '--', 'true'], 'no terminal to ask on', 'strict, accept-new or insecure'],
    [['exec', '-c', 'many', 'a', '--', 'true'], '-c "many"', 'write auto or a whole number from 1 to 1000000'],
    [['exec', '--argv', '--shell', 'sh', 'a', '--', 'true'], 'exclude each other', 'See keylane exec --help'],
    [['exec', '-b', '--format', 'json', 'a', '--', 'true'], '-b folds text', 'See keylane exec --help'],
    [['exec', '--out', 'f', '--out-dir', 'd', 'a', '--', 'true'], '--out would stay empty', 'See keylane exec --help'],
    [['exec', '--max-output', '1k', 'a', '--', 'true'], 'never cut', 'it goes with -b'],
    [['exec', '-F', '/nowhere/f', 'a', '--', 'true'], '-F /nowhere/f: ', 'See keylane exec --help'],
    [['exec', '-i', '/nonexistent/key', '--shards', '0', 'a', '--', 'true'], '--shards "0"', 'from 1 to 256'],
    [['batch', 'run', 'f', '--canary', '0'], '--canary "0"', 'from 1'],
    [['batch', 'run', 'f', '--', 'true'], 'batch takes no --', 'See keylane batch run --help'],
    [['batch', 'run', '/nowhere/f', '-c', 'x'], '-c "x"', 'write auto'],
    [['batch', 'run', '/nowhere/f', '--config', 'none'], '/nowhere/f', 'See keylane batch run --help'],
    [['batch', 'run', 'f', '--format', 'text', '--out', 'o'], '--out takes NDJSON', 'See keylane batch run --help'],
    [['batch', 'run', 'f', '--no-journal', '--id', 'a'], '--id names the journal', 'See keylane batch run --help'],
    [['batch', 'show', 'x/y', '--config', 'none', '--data-dir', '/nowhere'], 'x/y', 'See keylane batch show --help'],
    [['batch', 'resume', 'a', '--config', 'none', '--data-dir', '/nowhere'], 'no batch a', 'keylane batch list'],
  ])('refuses %j with status 2, says why and what to do', async (args, why, fix) => {
    const { status, out, err } = await run(...args);
    expect(err).toContain(why);
    expect(err).toContain(fix);
    expect(status).toBe(2);
    expect(out).toBe('');
  });

  it('prints its help on stdout when asked, on stderr with status 2 when given nothing', async () => {
    const help = await run('--help');
    expect(help).toMatchObject({ status: 0, err: '' });
    expect(help.out).toContain('exec');
    expect(await run()).toMatchObject({ status: 2, out: '', err: help.out });
  });

  it('prints the help of batch with flags, examples, signals and exit statuses, and that of each of its commands', async () => {
    expect((await run('--help')).out).toContain('batch');
    const { status, out } = await run('batch', 'run', '--help');
    expect(status).toBe(0);
    for (const word of [
      ...['Examples:', '--template', '--skip-bad', '--max-failures', '--canary', '--wave', '--window', 'SIGUSR2'],
      ...['--known-hosts', '--data-dir', 'Exit status', 'Ctrl-C'],
    ])
      expect(out).toContain(word);
    for (const command of ['resume', 'list', 'show', 'retry', 'cancel', 'rm', 'export'])
      expect(await run('batch', command, '--help')).toMatchObject({ status: 0, err: '' });
    expect(await run('batch')).toMatchObject({ status: 2, out: '' });
  });

  it.each(['exec', 'copy', 'call', 'batch run', 'mail send', 'serve', 'accounts add', 'top'])(
    'tells each default of %s once, as it is written',
    async (command) => {
      const { out } = await run(...command.split(' '), '--help');
      expect(out).toContain('(default');
      expect(out).not.toMatch(/\(default: \[|\(default[^)]*\)\s+\(default/);
    },
  );

  it('prints the help of exec with flags, examples and exit statuses', async () => {
    const { status, out } = await run('exec', '--help');
    expect(status).toBe(0);
    for (const word of [
      '--known-hosts',
      '--out-dir',
      '--max-rc',
      'Examples:',
      'Exit status',
      'Ctrl-C',
      '--config',
      '--inventory',
      '--data-dir',
    ])
      expect(out).toContain(word);
    expect(await run('help', 'exec')).toMatchObject({ status: 0, out });
  });
});
