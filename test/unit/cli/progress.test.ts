import { describe, expect, it } from 'vitest';
import { progressLine } from '../../../src/cli/progress.ts';
import { Tally } from '../../../src/cli/tally.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { FakeEngine, FakeIo, runExec } from './fake-exec.ts';

describe('the progress line', () => {
  it('tells how far a run is', () => {
    const tally = new Tally(500);
    tally.started = 320;
    tally.returned = 115;
    for (let n = 0; n < 110; n++) tally.settle('ok');
    for (let n = 0; n < 5; n++) tally.settle('failed');
    for (let n = 0; n < 5; n++) tally.settle('not_started');
    expect(progressLine(tally, 3_000)).toBe(
      '120/500  ok 110  failed 5  not started 5  in flight 205  40.0/s  eta 10 s',
    );
  });

  it('tells how far a batch is that was gone on with: its rate is of this process, and it has a bar and a last word', () => {
    const outcomes = { ok: 590, failed: 4, not_started: 3, unknown: 2, canceled: 1 };
    const run = {
      total: 1_000,
      settled: 600,
      settledBefore: 500,
      inFlight: 20,
      outcomes,
      bar: true,
      note: 'slowest a 9 s',
    };
    expect(progressLine(run, 10_000)).toBe(
      '[#######.....] 600/1000  ok 590  failed 4  not started 3  unknown 2  canceled 1  in flight 20  10.0/s  eta 40 s  slowest a 9 s',
    );
    expect(progressLine({ ...run, total: undefined, note: undefined }, 10_000)).toMatch(/^600\/\? {2}.* {2}10.0\/s$/);
  });

  it('is drawn at most ten times a second, steps aside for output, and is gone at the end', async () => {
    const io = new FakeIo();
    io.stderr.isTTY = true;
    io.stderr.columns = 40;
    const clock = new FakeClock();
    const release: (() => void)[] = [];
    const engine = new FakeEngine(({ host }, chunk) => {
      chunk({ channel: 'stderr', data: Buffer.from(`from ${host}\n`) });
      return new Promise((resolve) => release.push(() => resolve({})));
    });
    const run = runExec(['-c', '1', '--color', 'never', 'h[1-50]'], { io, clock, engine });
    await settled();
    for (let n = 0; n < 50; n++) {
      // Before the last one, long enough that the line stands there.
      if (n === 49) await clock.advanceSettling(150);
      release[n]!();
      await clock.advanceSettling(10);
    }
    const { err } = await run;
    const drawn = err
      .split('\r\u001b[2K')
      .slice(1)
      .filter((text) => /^\d+\/50 /.test(text));
    expect(drawn.length).toBeGreaterThan(2);
    expect(drawn.length).toBeLessThanOrEqual(6);
    for (const text of drawn) expect(text.split('\n')[0]!.length).toBeLessThan(40);
    const lines = err.split('\n');
    for (let n = 1; n <= 50; n++) expect(lines.some((line) => line.endsWith(`h${n}: from h${n}`))).toBe(true);
    expect(err).toContain('\r\u001b[2K50 hosts in');
    expect(clock.pending).toBe(0);
  });

  it.each([[['--no-progress']], [['-q']]])('is not there with %j, nor where stderr is no terminal', async (flags) => {
    const io = new FakeIo();
    io.stderr.isTTY = true;
    const clock = new FakeClock();
    const { err } = await runExec([...flags, '--color', 'never', 'a'], { io, clock });
    expect(err).not.toContain('\u001b');
    expect((await runExec(['a'], { clock })).err).not.toContain('\u001b');
    expect(clock.pending).toBe(0);
  });
});
