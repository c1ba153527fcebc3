import { describe, expect, it, test } from 'vitest';
import { RejectedRecipients } from '../../../src/cli/batch-rejected.ts';
import { painter } from '../../../src/cli/colors.ts';
import { type HostResult, neverTried } from '../../../src/cli/item.ts';
import { Summary } from '../../../src/cli/summary.ts';
import { expandHosts, KeylaneError, type Result, type SshResponse } from '../../../src/index.ts';

const plain = painter('never', false, {});
const hosts = expandHosts('web-[01-40]');
const item = (index: number) => ({ index, id: hosts[index]!, address: { host: hosts[index]! }, error: undefined });

function answered(response: Partial<SshResponse>): HostResult {
  const whole = { code: 0, signal: null, stdout: '', stderr: '', truncated: false, ...response };
  return {
    ...neverTried(new KeylaneError('ERR_INPUT')),
    outcome: whole.code === 0 ? 'ok' : 'failed',
    response: whole,
    shard: 0,
    timing: { queuedMs: 0, openMs: 0, runMs: 5 },
    ...{ error: undefined! },
  };
}

function unreached(error: KeylaneError): HostResult {
  return { ...neverTried(error), outcome: error.outcome };
}

describe('the summary', () => {
  it('counts, names the slowest, and names failed hosts by exit code and signal', () => {
    const summary = new Summary();
    for (let at = 0; at < 4; at++) summary.add(item(at), answered({}), (at + 1) * 1_000, true);
    for (let at = 4; at < 8; at++) summary.add(item(at), answered({ code: 3 }), 5, true);
    summary.add(item(9), answered({ code: 1 }), 5, true);
    summary.add(item(8), answered({ code: null, signal: 'SIGKILL' }), 5, true);
    expect(summary.text(2_000, plain)).toBe(
      [
        '10 hosts in 2.00 s (5.0/s): 4 ok, 6 failed',
        'slowest: web-04 4.00 s, web-03 3.00 s, web-02 2.00 s',
        'failed:',
        '  exit 3: web-[05-08]',
        '  exit 1: web-10',
        '  killed by SIGKILL: web-09',
        '',
      ].join('\n'),
    );
  });

  it('tells the same reason of many hosts once, and calls unknown unknown', () => {
    const summary = new Summary();
    for (let at = 0; at < 3; at++) {
      summary.add(
        item(at),
        unreached(new KeylaneError('ERR_CONNECT', `${hosts[at]}:22 refused the connection`)),
        undefined,
        true,
      );
    }
    summary.add(item(7), unreached(new KeylaneError('ERR_DNS', `${hosts[7]} has no address`)), undefined, true);
    summary.add(item(9), unreached(new KeylaneError('ERR_CONNECTION_LOST', 'lost')), undefined, true);
    expect(summary.text(500, plain)).toBe(
      [
        '5 hosts in 500 ms (10.0/s): 0 ok, 4 not started, 1 unknown whether it ran',
        'not started:',
        '  ERR_CONNECT: HOST:22 refused the connection: web-[01-03]',
        '  ERR_DNS: web-08 has no address: web-08',
        'unknown whether it ran:',
        '  ERR_CONNECTION_LOST: lost: web-10',
        '',
      ].join('\n'),
    );
  });

  it('bounds the reasons but still names every host', () => {
    const summary = new Summary();
    for (let at = 0; at < 40; at++)
      summary.add(item(at), unreached(new KeylaneError('ERR_CONNECT', `reason ${at}`)), undefined, true);
    const text = summary.text(500, plain);
    expect(text.split('\n')).toHaveLength(24);
    expect(text).toContain('  20 other reasons: web-[21-40]');
  });

  it('lets no host write control characters, and says whose output was cut', () => {
    const summary = new Summary();
    summary.add(item(0), unreached(new KeylaneError('ERR_AUTH', 'banner \u001b[2J\n  and more\n')), undefined, true);
    summary.add(item(1), answered({ truncated: true }), 5, true);
    const text = summary.text(500, plain);
    expect(text).toContain('banner ^[[2J and more: web-01');
    expect(text).toContain('output cut at --max-output: web-02');
  });
});

test('recipients who were refused are told of, though their mails are ok', () => {
  const of = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ address: `no-${i}@y`, code: 550, message: 'no\u001b[2J' }));
  const told = new RejectedRecipients();
  expect(told.text()).toBe('');
  for (const response of [undefined, null, 'x', {}, { rejected: [] }, { rejected: of(1) }])
    told.add({ outcome: response ? 'ok' : 'failed', response } as Result);
  told.add({ outcome: 'failed', response: { rejected: of(5) } } as unknown as Result);
  expect(told.text()).toMatch(/^1 recipient refused, of mails that were sent to others:\n {2}no-0@y: 550 no.*\n$/);
  told.add({ outcome: 'ok', response: { rejected: of(11) } } as unknown as Result);
  expect(told.text()).toMatch(/^12 recipients refused(.*\n){11} {2}and 2 more\n$/);
});
