import { expect, test } from 'vitest';
import { Tail } from '../../../workers/drivers/stdio/tail.js';
import { seeded } from '../../support/seed.js';

test('the last bytes are kept, however they come, and no more', () => {
  const random = seeded();
  for (let round = 0; round < 200; round++) {
    const tail = new Tail(100);
    let all = '';
    for (let i = random.below(50); i > 0; i--) {
      const piece = random.pick(['a', 'bc', 'd'.repeat(60), 'e'.repeat(150)]) + String(i);
      all += piece;
      tail.push(Buffer.from(piece));
    }
    expect(tail.text([])).toBe(all.slice(-100));
  }
});

test('a secret is masked, and so is a part of one at either end', () => {
  const secret = 'correct horse battery staple';
  const text = `token ${secret} and again ${secret}!`;
  const random = seeded();
  for (let most = 1; most <= text.length; most++) {
    for (let end = 1; end <= text.length; end++) {
      const tail = new Tail(most);
      for (let from = 0; from < end; ) {
        const to = Math.min(end, from + 1 + random.below(10));
        tail.push(Buffer.from(text.slice(from, to)));
        from = to;
      }
      const shown = tail.text([secret, '']);
      for (let from = 0; from + 4 <= secret.length; from++) {
        const part = secret.slice(from, from + 4);
        // In the middle of a secret that is cut at both ends nobody can know.
        if (most >= secret.length) expect(shown, `${most} ${end}`).not.toContain(part);
      }
    }
  }
});

test('of two secrets, one in the other, nothing is left', () => {
  const tail = new Tail(1_000);
  tail.push(Buffer.from('a=hunter2hunter3, b=hunter2'));
  expect(tail.text(['hunter2', 'hunter2hunter3'])).toBe('a=***, b=***');
});
