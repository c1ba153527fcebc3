import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openJobs } from '../../../../src/batch/input/open.js';
import { KeylaneError } from '../../../../src/errors.js';
import { all, line, refusal, written } from './scratch.js';

const SSH = { host: 'web-1', command: 'uptime' };
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('NDJSON', () => {
  test('is a job a line, with its place; blank lines are none, and the last needs no newline', async () => {
    const jobs = [
      { id: 'a', request: SSH, idempotent: true, timeoutMs: 'auto', priority: -3, labels: ['x'], attempts: 2 },
      { driver: 'echo', request: { key: 'k', payload: { deep: [1, null, 'ü'] } } },
      { request: { ...SSH, sudo: { user: 'root' } }, after: ['a'], traceparent: TRACE },
    ];
    const text = `\ufeff${JSON.stringify(jobs[0])}\r\n\n  \t\r\n ${JSON.stringify(jobs[1])} \n${JSON.stringify(jobs[2])}`;
    const path = written('jobs.ndjson', text);
    const source = await openJobs(path);
    expect(await all(source)).toEqual(jobs.map((job, index) => ({ index, ...job })));
    expect(source.total).toBe(3);
    expect(source.named).toEqual(new Map([['a', 0]]));
    expect(source.bad).toEqual({ count: 0, lines: [] });
    expect(source.identity).toEqual({
      path,
      spooled: false,
      format: 'ndjson',
      bytes: Buffer.byteLength(text),
      sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
      driver: 'ssh',
      total: 3,
      after: true,
    });
  });

  test('is read as often as it is asked for, each time those that are wanted', async () => {
    const count = 5_000;
    const text = Array.from({ length: count }, (_, at) =>
      line({ request: { key: 'x'.repeat(at % 300), at } }).replace(',"at"', ',"openMs"'),
    );
    const source = await openJobs(written('jobs', text.join('\n\n').replaceAll('"key":""', '"key":"-"')));
    expect(source.total).toBe(count);
    for (const wanted of [(at: number) => at % 7 === 3, (at: number) => at >= 4_990, () => false, () => true]) {
      const indexes = Array.from({ length: count }, (_, at) => at).filter(wanted);
      const jobs = await all(source, wanted);
      expect(jobs.map(({ index }) => index)).toEqual(indexes);
      expect(jobs.map(({ request }) => (request as { openMs: number }).openMs)).toEqual(indexes);
    }
  });
});

test('what a caller refuses is a bad line, and its error tells of each', async () => {
  const lines = ['a', 'b', 'c'].map((host) => line({ driver: 'ssh', request: { ...SSH, host } }));
  const check = (driver: string, request: unknown) => {
    if ((request as { host: string }).host !== 'b') throw new KeylaneError('ERR_FORBIDDEN', `not by ${driver}`);
  };
  const refused = openJobs(written('jobs', lines.join('\n')), { check });
  await expect(refused).rejects.toHaveProperty('errors', [
    { line: 1, detail: 'not by ssh' },
    { line: 3, detail: 'not by ssh' },
  ]);
});

describe('CSV', () => {
  test('has columns of the job and of its request, each as the field wants it', async () => {
    const text = [
      'id,host,port,command,idempotent,timeoutMs,priority,labels,after,sudo,argv,mode,traceparent',
      'a,web-1,2222,"echo ""hi"", you",true,5000,-2,x; y,,,,,',
      '',
      'b,"web-2",,"two\nlines",false,auto,,,a,true,,,\r',
      `c,web-3,,,,,,,a;b,,"[""ls"",""-l""]",,${TRACE}`,
    ].join('\n');
    const source = await openJobs(written('jobs.csv', text));
    expect(await all(source)).toEqual([
      {
        index: 0,
        id: 'a',
        idempotent: true,
        timeoutMs: 5_000,
        priority: -2,
        labels: ['x', 'y'],
        request: { host: 'web-1', port: 2_222, command: 'echo "hi", you' },
      },
      {
        index: 1,
        id: 'b',
        idempotent: false,
        timeoutMs: 'auto',
        after: ['a'],
        request: { host: 'web-2', command: 'two\nlines', sudo: true },
      },
      { index: 2, id: 'c', after: ['a', 'b'], traceparent: TRACE, request: { host: 'web-3', argv: ['ls', '-l'] } },
    ]);
    expect(source.named).toEqual(
      new Map([
        ['a', 0],
        ['b', 1],
      ]),
    );
  });

  test('is read again at any place, whatever newlines and quotes its records hold', async () => {
    const payloads = Array.from({ length: 3_000 }, (_, at) => '",\n"\r\n""'.repeat(at % 11).slice(0, at % 23));
    const rows = payloads.map((payload, at) => `${at % 2 ? '\n' : ''}k${at},"a${payload.replaceAll('"', '""')}b"`);
    const source = await openJobs(written('jobs.csv', ['key,payload', ...rows].join('\r\n')), { driver: 'echo' });
    expect(source.total).toBe(payloads.length);
    const jobs = await all(source, (index) => index % 3 === 1);
    expect(jobs.map(({ request }) => request)).toEqual(
      payloads.map((payload, at) => ({ key: `k${at}`, payload: `a${payload}b` })).filter((_, at) => at % 3 === 1),
    );
  });
});

test('JSON is one array of jobs, however it is laid out', async () => {
  const jobs = [
    { driver: 'echo', request: { key: 'a', payload: '],{"\\' } },
    { driver: 'echo', request: { key: 'b', payload: [[], { x: ['}'] }] } },
  ];
  for (const text of [
    JSON.stringify(jobs),
    JSON.stringify(jobs, null, 2),
    ` [\n${jobs.map((job) => JSON.stringify(job)).join('\n,\n')}\r\n] \n`,
  ]) {
    const source = await openJobs(written('jobs.json', text));
    expect(source.identity.format).toBe('json');
    expect(await all(source)).toEqual(jobs.map((job, index) => ({ index, ...job })));
  }
});

test('JSON and NDJSON are told apart by how they begin, whatever the file is called', async () => {
  expect((await openJobs(written('jobs.json', line()))).identity.format).toBe('ndjson');
  expect((await openJobs(written('jobs', `\ufeff [${line()}]`))).identity.format).toBe('json');
  expect(await refusal(openJobs(written('jobs.txt', 'host,command')))).toContain('say what it is with `format`');
  expect(await refusal(openJobs(written('x', line()), { format: 'xml' as never }))).toContain(
    'one of ndjson, csv, json',
  );
});

describe('a file that is not valid is refused, and the message tells where and what', () => {
  test.each<[string, string | Buffer, string]>([
    ['jobs.ndjson', `${line()}\n{"request":\n`, 'jobs.ndjson:2: is not JSON: it ends too early'],
    [
      'jobs.ndjson',
      `${line()}\n\n{"driver":"echo","requests":{}}`,
      'jobs.ndjson:3: unknown field `requests`; did you mean `request`?',
    ],
    [
      'jobs.ndjson',
      '{"request":{"host":"a","comand":"b"}}',
      'jobs.ndjson:1: request.comand: unknown field; did you mean `command`?',
    ],
    [
      'jobs.ndjson',
      '{"driver":"echo","request":{"key":"a","x":1}}',
      'jobs.ndjson:1: request: unknown field `x`: echo knows key',
    ],
    ['jobs.ndjson', '{"request":{"host":"a"}}', 'jobs.ndjson:1: request.command: expected'],
    ['jobs.ndjson', '{"request":{"host":"a","command":"b","__proto__":{"user":"x"}}}', '`__proto__`'],
    ['jobs.ndjson', '{"driver":"echo","request":{"key":"a","payload":{"__proto__":1}}}', '`__proto__`'],
    [
      'jobs.ndjson',
      `{"driver":"echo","request":{"key":"a","payload":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
      'deeper than 64',
    ],
    ['jobs.ndjson', line({ traceparent: '00-1-2-3' }), 'jobs.ndjson:1: `traceparent` must be as `00-<32 hex digits>'],
    ['jobs.ndjson', line({ priority: 11 }), 'jobs.ndjson:1: `priority` must be a whole number from -10 to 10, not 11'],
    ['jobs.ndjson', line({ timeoutMs: 'soon' }), '`timeoutMs` must be milliseconds'],
    ['jobs.ndjson', line({ labels: [''] }), '`labels` must be'],
    ['jobs.ndjson', line({ idempotent: 1 }), '`idempotent` must be true or false'],
    ['jobs.ndjson', line({ attempts: 0 }), '`attempts` must be'],
    ['jobs.ndjson', line({ id: '' }), '`id` must be a text of 1 to 256'],
    ['jobs.ndjson', line({ id: 'a\nb' }), '`id` must be'],
    ['jobs.ndjson', line({ id: 7 }), '`id` must be'],
    ['jobs.ndjson', line({ after: 'a' }), '`after` must be an array'],
    ['jobs.ndjson', line({ driver: 7 }), '`driver` must be'],
    ['jobs.ndjson', line({ driver: 'ehco' }), 'there is no driver `ehco`, but echo, ssh, smtp, stdio, http'],
    ['jobs.ndjson', '{"id":"a"}', 'jobs.ndjson:1: it has no `request`'],
    ['jobs.ndjson', '{"request":[]}', '`request` must be an object'],
    ['jobs.ndjson', '{"request":{"account":"x","host":"a","command":"b"}}', 'request.host: does not go with `account`'],
    ['jobs.ndjson', `[1]\n`, 'jobs.ndjson:1: is no JSON object'],
    ['jobs.ndjson', `${line()}\n"${line()}"`, 'jobs.ndjson:2: is not JSON'],
    [
      'jobs.ndjson',
      Buffer.concat([Buffer.from(`${line()}\n{"id":"`), Buffer.of(0xff), Buffer.from('"}')]),
      'jobs.ndjson:2: is not UTF-8',
    ],
    ['jobs.ndjson', Buffer.of(0x1f, 0x8b, 8, 0), 'jobs.ndjson: is compressed by gzip; unpack it first (`gunzip'],
    ['jobs.csv', Buffer.from('\ufeffhost', 'utf16le'), 'jobs.csv: is UTF-16; write it as UTF-8'],
    ['jobs.ndjson', '', 'jobs.ndjson: holds no jobs'],
    ['jobs.csv', '', 'jobs.csv: holds no jobs'],
    ['jobs.csv', 'host,command\n', 'jobs.csv: holds no jobs'],
    ['jobs.json', '[]', 'jobs.json: holds no jobs'],
    ['jobs.json', `[${line()},\n${line()}`, 'jobs.json:2: the array of jobs is not closed'],
    ['jobs.json', `[${line()}\n,\n,${line()}]`, 'jobs.json:3: has a comma with no job beside it'],
    ['jobs.json', `[${line()},]`, 'jobs.json:1: has a comma'],
    ['jobs.json', `[${line()}]\n{}`, 'jobs.json:2: has something behind the `]`'],
    ['jobs.json', `[${line()}\n${line()}]`, 'jobs.json:1: is not JSON'],
    ['jobs.csv', 'host,comand\na,b', 'jobs.csv:1: unknown column `comand`; did you mean `command`?'],
    ['jobs.csv', 'host,command,host\na,b,c', 'jobs.csv:1: the column `host` is there twice'],
    ['jobs.csv', 'host,,command\na,b,c', 'jobs.csv:1: column 2 has no name'],
    ['jobs.csv', 'host,command\na,b\n"x\ny",b,c\n', 'jobs.csv:3: has 3 cells, and there are 2 columns'],
    ['jobs.csv', 'host,command\n\na\n', 'jobs.csv:3: has 1 cell, and there are 2 columns'],
    ['jobs.csv', 'host,command\n"a\n\n","b\r\n"\n"c""\n",d\ne\n', 'jobs.csv:8: has 1 cell'],
    ['jobs.csv', 'host,command\n"a\nb,c\n', 'jobs.csv:2: begins a quote that is never closed'],
    ['jobs.csv', 'host,command\na,"b"c"\n', 'jobs.csv:2: '],
    ['jobs.csv', 'host,command,priority\na,b,x', '`priority` must be a whole number from -10 to 10, not x'],
    ['jobs.csv', 'host,command,idempotent\na,b,yes', '`idempotent` must be true or false, not yes'],
    ['jobs.csv', 'host,command,port\na,b,http', 'jobs.csv:2: request.port: expected'],
    ['jobs.csv', '__proto__,host,command\nx,a,b', 'jobs.csv:1: unknown column `__proto__`'],
  ])('%s: %j', async (name, text, says) => {
    const message = await refusal(openJobs(written(name, text), { drivers: [] }));
    expect(message).toContain(says);
  });

  test('one whose jobs are of a driver that is not there', async () => {
    const opening = openJobs(written('jobs.ndjson', line()), { driver: 'shh', drivers: ['own'] });
    expect(await refusal(opening)).toBe('there is no driver `shh`, but echo, ssh, smtp, stdio, http, own');
  });

  test('one that is not there, or is a directory', async () => {
    expect(await refusal(openJobs('/nowhere/jobs.ndjson'))).toContain('/nowhere/jobs.ndjson cannot be read: ENOENT');
    expect(await refusal(openJobs('/'))).toContain('it is a directory');
  });

  test('one with a line longer than 16 MiB', async () => {
    const long = line({ request: { key: 'a', payload: 'x'.repeat(16 << 20) } });
    const message = await refusal(openJobs(written('jobs.ndjson', `${line()}\n${long}\n`)));
    expect(message).toContain('jobs.ndjson:1: here or behind it a job is longer than 16 MiB');
  });

  test('the first 20 are told, and how many more there are', async () => {
    const text = Array.from({ length: 55 }, (_, at) => (at % 2 ? line() : '{')).join('\n');
    const lines = (await refusal(openJobs(written('jobs.ndjson', text)))).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[19]).toMatch(/^jobs\.ndjson:39: /);
    expect(lines[20]).toBe('and 8 more bad lines');
  });

  test('no value of the file is in the message, for it may be a secret', async () => {
    const texts = [
      'xhunter2',
      '{"request":{"host":"a","command":"b","password":"hunter2"}}',
      '{"request":{"password":"hunter2"',
      '{"request":{"host":"a","env":{"X":"hunter2","Y":7}}}',
    ];
    for (const text of texts) expect(await refusal(openJobs(written('j.ndjson', text)))).not.toContain('hunter2');
  });
});

test('a line of almost 16 MiB is a job as any other, and so are those beside it', async () => {
  const payload = 'ü'.repeat((8 << 20) - 100);
  const path = written(
    'jobs.ndjson',
    `${line()}\n${line({ request: { key: 'b', payload } })}\n${line({ id: 'last' })}`,
  );
  const jobs = await all(await openJobs(path));
  expect(jobs.map(({ id }) => id)).toEqual([undefined, undefined, 'last']);
  expect((jobs[1]?.request as { payload: string } | undefined)?.payload === payload).toBe(true);
});
