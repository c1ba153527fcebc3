import { expect, test } from 'vitest';
import { brokenPromises, type Evidence, type Recorded } from '../../support/batch-witness.ts';

function recordOf(id: string, index: number, outcome = 'ok', stdout = `${id}\n`): Recorded {
  return { index, id, outcome, response: { stdout }, attempts: 1 };
}

/** All is well with it. */
function evidence(): Evidence & { acknowledged: Recorded[]; recorded: Recorded[]; counts: Map<string, number> } {
  const recorded = [
    recordOf('once', 0),
    recordOf('often', 1),
    recordOf('fails', 2, 'failed'),
    recordOf('lost', 3, 'unknown'),
  ];
  return {
    jobs: [
      { id: 'once', idempotent: false, kind: 'plain' },
      { id: 'often', idempotent: true, kind: 'plain' },
      { id: 'fails', idempotent: false, kind: 'fails' },
      { id: 'lost', idempotent: false, kind: 'plain' },
    ],
    counts: new Map([
      ['once', 1],
      ['often', 2],
      ['fails', 1],
    ]),
    acknowledged: recorded.slice(0, 2),
    recorded,
  };
}

test('what is as promised breaks nothing', () => {
  expect(brokenPromises(evidence())).toEqual([]);
});

const BREACHES: [string, (of: ReturnType<typeof evidence>) => void, string][] = [
  ['a lost job', ({ recorded }) => recorded.pop(), 'lost is lost'],
  ['two records of one', ({ recorded }) => recorded.push(recordOf('once', 0)), 'once is recorded twice'],
  ['one that ran twice', ({ counts }) => counts.set('once', 2), 'once (ok) ran 2 times'],
  ['a lost one that ran twice', ({ counts }) => counts.set('lost', 2), 'lost (unknown) ran 2 times'],
  ['an answer of one that never ran', ({ counts }) => counts.delete('once'), 'once (ok) never ran'],
  [
    'another outcome than was told',
    ({ acknowledged }) => acknowledged.push(recordOf('fails', 2, 'ok')),
    'fails was told to be ok and is failed',
  ],
  ['one that is told twice', ({ acknowledged }) => acknowledged.push(recordOf('once', 0)), 'once was handed out twice'],
  [
    'one that ran and is said not to have',
    ({ recorded, counts }) => {
      recorded[3] = recordOf('lost', 3, 'not_started');
      counts.set('lost', 1);
    },
    'lost (not_started) ran 1 times',
  ],
  [
    'an unknown end where one may go on',
    ({ recorded, acknowledged }) => {
      recorded[1] = recordOf('often', 1, 'unknown');
      acknowledged.pop();
    },
    'often (unknown) may be run again and has no end',
  ],
  [
    'the answer of another',
    ({ recorded }) => {
      recorded[0] = recordOf('once', 0, 'ok', 'often\n');
    },
    'once (ok) has the answer of another',
  ],
  ['one that nobody asked for', ({ counts }) => counts.set('else', 1), 'else was never asked for'],
];

test.each(BREACHES)('%s is told', (_, breach, told) => {
  const broken = evidence();
  breach(broken);
  expect(brokenPromises(broken)).toEqual([told]);
});
