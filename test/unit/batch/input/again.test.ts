import {
  appendFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { openJobs, reopenJobs, spoolJobs } from '../../../../src/batch/input/open.js';
import { all, line, refusal, scratch, written } from './scratch.js';

const LINES = `${line({ id: 'a' })}\n${line({ id: 'b' })}\n`;

describe('a file that the batch reads again', () => {
  test('is what it was: the jobs are the same', async () => {
    const first = await openJobs(written('jobs.ndjson', LINES));
    const again = await reopenJobs(JSON.parse(JSON.stringify(first.identity)));
    expect(again.identity).toEqual(first.identity);
    expect(again.total).toBe(2);
    expect(await all(again, (index) => index === 1)).toEqual(await all(first, (index) => index === 1));
  });

  test.each<[string, (path: string) => void]>([
    ['is longer', (path) => appendFileSync(path, '\n')],
    ['is shorter', (path) => writeFileSync(path, LINES.slice(0, -1))],
    [
      'has another byte, and the same time',
      (path) => {
        const { atime, mtime } = statSync(path);
        writeFileSync(path, LINES.replace('"a"', '"c"'));
        utimesSync(path, atime, mtime);
      },
    ],
    ['is another one', (path) => writeFileSync(path, '[')],
  ])('is refused where it %s', async (_, change) => {
    const { identity } = await openJobs(written('jobs.ndjson', LINES));
    change(identity.path);
    expect(await refusal(reopenJobs(identity))).toBe(
      'jobs.ndjson has changed since the batch began, so which jobs are done cannot be told; put the file back as it was, or begin a new batch with what is left to do',
    );
  });

  test('is refused where it is gone', async () => {
    const { identity } = await openJobs(written('jobs.ndjson', LINES));
    rmSync(identity.path);
    expect(await refusal(reopenJobs(identity))).toContain('jobs.ndjson cannot be read: ENOENT');
  });

  test('may be touched, moved over and back while the batch runs, but not changed', async () => {
    const source = await openJobs(written('jobs.ndjson', LINES));
    const { path } = source.identity;
    utimesSync(path, 1, 1);
    expect(await all(source)).toHaveLength(2);
    renameSync(path, `${path}.old`);
    writeFileSync(path, LINES);
    expect(await all(source)).toHaveLength(2);
    writeFileSync(path, LINES.toUpperCase());
    expect(await refusal(all(source))).toContain('has changed');
  });

  test('is refused at the next piece where it changes while it is read, but not where it is touched', async () => {
    const source = await openJobs(written('jobs.ndjson', LINES.concat(`${line()}\n`.repeat(20_000))));
    const { path } = source.identity;
    let last = 0;
    const read = async (act: () => void) => {
      for await (const { index } of source.read(() => true)) {
        last = index;
        if (index === 10) act();
      }
    };
    await read(() => utimesSync(path, 2, 2));
    expect(last).toBe(20_001);
    expect(await refusal(read(() => appendFileSync(path, 'x')))).toContain('has changed');
    expect(last).toBeLessThan(10_000);
  });

  test('is refused where somebody still writes it while it is checked', async () => {
    const path = written('jobs.ndjson', `${line()}\n`.repeat(20_000));
    const opening = openJobs(path);
    let writing = true;
    const write = () => {
      if (!writing) return;
      appendFileSync(path, `${line()}\n`);
      setImmediate(write);
    };
    write();
    expect(await refusal(opening).finally(() => (writing = false))).toBe(
      `${path} changed while it was read; begin when it is written`.replace(/\/tmp\/keylane-input-\w+\//, ''),
    );
  });
});

describe('what is read once', () => {
  test('is copied into the directory of the batch, for its owner alone', async () => {
    const dir = join(scratch(), 'batches', 'b1');
    const source = await openJobs(Readable.from([Buffer.from(LINES.slice(0, 30)), LINES.slice(30)]), { spoolDir: dir });
    expect(source.identity).toMatchObject({ path: join(dir, 'input.ndjson'), spooled: true, format: 'ndjson' });
    expect(readdirSync(dir)).toEqual(['input.ndjson']);
    expect(readFileSync(join(dir, 'input.ndjson'), 'utf8')).toBe(LINES);
    expect([statSync(dir).mode & 0o777, statSync(source.identity.path).mode & 0o777]).toEqual([0o700, 0o600]);
    expect((await all(source)).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('is found where the data directory is now', async () => {
    const before = join(scratch(), 'b1');
    const { identity } = await openJobs(Readable.from([LINES]), { spoolDir: before });
    const dir = join(scratch(), 'moved');
    renameSync(before, dir);
    const again = await reopenJobs(identity, { dir });
    expect(again.identity.path).toBe(join(dir, 'input.ndjson'));
    expect(await all(again)).toHaveLength(2);
  });

  test('leaves nothing behind where it is bad, and is called stdin', async () => {
    const home = scratch();
    const dir = join(home, 'b1');
    expect(await refusal(openJobs(Readable.from([`${line()}\n{`]), { spoolDir: dir }))).toMatch(
      /^stdin:2: is not JSON/,
    );
    expect(readdirSync(home)).toEqual([]);
    const broken = Readable.from(
      (async function* () {
        yield line();
        throw new Error('the other end is gone');
      })(),
    );
    expect(await refusal(openJobs(broken, { spoolDir: dir }))).toBe('stdin cannot be read: the other end is gone');
    expect(readdirSync(home)).toEqual([]);
  });

  test('never takes the place of another batch’s copy', async () => {
    const dir = join(scratch(), 'b1');
    const first = await openJobs(Readable.from([LINES]), { spoolDir: dir });
    const message = await refusal(
      openJobs(Readable.from(['host,command\na,b']), { spoolDir: dir, format: 'csv' }),
      'ERR_EXISTS',
    );
    expect(message).toContain('go on with it by `resume`');
    expect(readdirSync(dir)).toEqual(['input.ndjson']);
    expect(await all(first)).toHaveLength(2);
  });

  test('needs a directory for the copy', async () => {
    expect(await refusal(openJobs(Readable.from([LINES])))).toContain('give `spoolDir`');
  });
});

describe('jobs that are tried again', () => {
  test('are the input of a new batch, each with the id that it had', async () => {
    const old = await openJobs(written('jobs.csv', 'id,host,command,labels,after\na,x,y,l,\n,z,"q\nr",,a\nc,s,t,,a\n'));
    const dir = join(scratch(), 'b2');
    const source = await spoolJobs(
      dir,
      old.read((index) => index > 0),
      { done: (id) => id === 'a' },
    );
    expect(await all(source)).toEqual([
      { index: 0, id: '1', driver: 'ssh', request: { host: 'z', command: 'q\nr' } },
      { index: 1, id: 'c', driver: 'ssh', request: { host: 's', command: 't' } },
    ]);
    expect(source.identity).toMatchObject({
      spooled: true,
      format: 'ndjson',
      path: join(dir, 'input.ndjson'),
      total: 2,
    });
    expect(await all(await reopenJobs(source.identity))).toHaveLength(2);
  });

  test('wait for those that are not done; one that is not among them is an error', async () => {
    const jobs = [
      { index: 4, id: 'a', request: { host: 'x', command: 'y' } },
      { index: 9, id: 'b', request: { host: 'x', command: 'y' }, after: ['a', 'gone'] },
    ];
    const dir = join(scratch(), 'b2');
    expect(await refusal(spoolJobs(dir, jobs))).toContain('it is to run after `gone`');
    const source = await spoolJobs(dir, jobs, { done: (id) => id === 'gone' });
    expect((await all(source)).map(({ after }) => after)).toEqual([undefined, ['a']]);
  });
});
