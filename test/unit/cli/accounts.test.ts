import { describe, expect, it } from 'vitest';
import { program } from '../../../src/cli/program.ts';
import { FakeIo } from './fake-exec.ts';

async function run(...args: string[]) {
  const io = new FakeIo();
  const status = await program(['accounts', ...args], io);
  return { status, out: io.out, err: io.err };
}

describe('the command line of accounts', () => {
  it.each([
    [['add', 'a', '--host', 'h', '--password', 'hunter2'], '--password takes a reference', 'env:NAME or file:PATH'],
    [['add', 'a', '--host', 'h', '--passphrase', 'hunter2'], '--passphrase takes a reference', 'env:NAME'],
    [['add', 'a', '--host', 'h', '--client-secret', 'hunter2'], '--client-secret takes a reference', 'env:NAME'],
    [['set', 'a', '--refresh-token', 'hunter2'], '--refresh-token takes a reference', 'env:NAME'],
    [['add', 'a', '--host', 'h', '--pasword=hunter2'], "unknown option '--pasword'", 'See keylane'],
    [['add', 'a', 'hunter2', '--host', 'h'], 'too many arguments', 'See keylane'],
    [['set', 'nobody'], 'nothing to change', '--unset'],
    [['set', 'nobody', '--unset', 'a.b.c'], '--unset "a.b.c"', 'secrets.password'],
    [['import', 'fleet.xml'], 'fleet.xml: its name does not tell what it is', '--from csv, json or ndjson'],
    [['verify', 'a', '--driver', 'ssh'], 'not both', 'See keylane'],
    [['verify', '-c', '0'], '-c "0"', 'write a whole number from 1 to 10000'],
    [['list', '--format', 'xml'], '--format "xml"', 'write text, json, ndjson'],
    [['show'], "missing required argument 'name'", 'See keylane'],
  ])('refuses %j with status 2, says what to do, and repeats no secret', async (args, why, fix) => {
    const { status, out, err } = await run(...args);
    expect(err).toContain(why);
    expect(err).toContain(fix);
    expect(err).toContain(`keylane accounts ${args[0]}: `);
    expect(err).toContain(`See keylane accounts ${args[0]} --help.`);
    expect(`${out}${err}`).not.toContain('hunter2');
    expect(status).toBe(2);
  });

  it('teaches: each command has its help, with examples and the exit statuses', async () => {
    const { out, status } = await run('--help');
    expect(status).toBe(0);
    for (const command of ['add', 'list', 'show', 'set', 'remove', 'verify', 'import']) {
      expect(out).toContain(`\n  ${command} `);
      const help = await run(command, '--help');
      expect(help).toMatchObject({ status: 0, err: '' });
      for (const word of ['Example', `keylane accounts ${command}`, 'Exit status', '--data-dir', '--format'])
        expect(help.out).toContain(word);
    }
    expect(await run()).toMatchObject({ status: 2, out: '' });
  });
});
