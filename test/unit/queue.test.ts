import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Link, List, PriorityQueue } from '../../src/util/queue.ts';
import { SEED } from '../support/seed.ts';

describe('a list', () => {
  test('gives its items in the order in which they were pushed', () => {
    const list = new List<string>();
    for (const name of ['a', 'b', 'c']) list.push(new Link(name));
    expect([list.shift(), list.shift(), list.shift(), list.shift()]).toEqual(['a', 'b', 'c', undefined]);
    expect(list.size).toBe(0);
  });

  test('has at its start what was unshifted last', () => {
    const list = new List<string>();
    list.push(new Link('b'));
    list.unshift(new Link('a'));
    expect(list.first).toBe('a');
    expect([...list]).toEqual(['a', 'b']);
  });

  test('lets go of an item wherever it stands', () => {
    for (const gone of ['a', 'b', 'c']) {
      const list = new List<string>();
      const links = ['a', 'b', 'c'].map((name) => new Link(name));
      for (const link of links) list.push(link);
      list.remove(links.find(({ item }) => item === gone)!);
      expect([...list]).toEqual(['a', 'b', 'c'].filter((name) => name !== gone));
      expect(list.size).toBe(2);
    }
  });

  test('takes the link of an item that left again', () => {
    const [one, other] = [new List<string>(), new List<string>()];
    const link = new Link('a');
    one.push(link);
    one.remove(link);
    other.push(link);
    expect([one.size, other.size]).toEqual([0, 1]);
    expect(link.list).toBe(other);
  });

  test('throws for a link that is in a list already, and changes nothing', () => {
    const [one, other] = [new List<string>(), new List<string>()];
    const link = new Link('a');
    one.push(link);
    expect(() => one.push(link)).toThrow('already in a list');
    expect(() => other.push(link)).toThrow('already in a list');
    expect(() => other.unshift(link)).toThrow('already in a list');
    expect([[...one], [...other], one.size, other.size]).toEqual([['a'], [], 1, 0]);
  });

  test('throws for a link that it does not have, and changes nothing', () => {
    const [one, other] = [new List<string>(), new List<string>()];
    const link = new Link('a');
    one.push(link);
    expect(() => other.remove(link)).toThrow('not in this list');
    one.remove(link);
    expect(() => one.remove(link)).toThrow('not in this list');
    expect([one.size, other.size]).toEqual([0, 0]);
  });

  test('lets the loop over it remove the item it stands on', () => {
    const list = new List<string>();
    const links = new Map(['a', 'b', 'c'].map((name) => [name, new Link(name)]));
    for (const link of links.values()) list.push(link);
    const seen: string[] = [];
    for (const name of list) {
      seen.push(name);
      list.remove(links.get(name)!);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(list.first).toBeUndefined();
  });

  test('is what an array would be, after any pushes, unshifts, shifts and removals', () => {
    const step = fc.tuple(fc.constantFrom('push', 'unshift', 'shift', 'remove' as const), fc.nat(9));
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const list = new List<number>();
      const links = Array.from({ length: 10 }, (_, i) => new Link(i));
      const model: number[] = [];
      for (const [act, i] of steps) {
        const isIn = model.includes(i);
        if (act === 'shift') {
          expect(list.shift()).toBe(model.shift());
        } else if (act === 'remove' && isIn) {
          list.remove(links[i]!);
          model.splice(model.indexOf(i), 1);
        } else if (act !== 'remove' && !isIn) {
          list[act](links[i]!);
          model[act](i);
        }
        expect([...list]).toEqual(model);
        expect(list.size).toBe(model.length);
        expect(list.first).toBe(model[0]);
      }
    });
    fc.assert(property, { seed: SEED });
  });
});

describe('a priority queue', () => {
  test('gives higher priorities first, and within one what came first', () => {
    const queue = new PriorityQueue<string>();
    const items: [string, number][] = [
      ['a', 0],
      ['b', 10],
      ['c', -10],
      ['d', 0],
      ['e', 10],
      ['f', 3],
    ];
    for (const [name, priority] of items) queue.push(new Link(name), priority);
    expect([...queue].join('')).toBe('befadc');
    expect(Array.from({ length: 7 }, () => queue.shift())).toEqual(['b', 'e', 'f', 'a', 'd', 'c', undefined]);
    expect(queue.size).toBe(0);
  });

  test('gives what was put back before the others of its priority, and after higher ones', () => {
    const queue = new PriorityQueue<string>();
    queue.push(new Link('a'), 0);
    queue.unshift(new Link('back'), 0);
    queue.push(new Link('urgent'), 1);
    expect([...queue]).toEqual(['urgent', 'back', 'a']);
  });

  test('lets go of an item wherever it stands', () => {
    const queue = new PriorityQueue<string>();
    const links = ['a', 'b', 'c'].map((name) => new Link(name));
    for (const [i, link] of links.entries()) queue.push(link, i);
    queue.remove(links[1]!);
    expect([...queue]).toEqual(['c', 'a']);
    expect(queue.size).toBe(2);
  });

  test('throws for an item that it does not have, or has already', () => {
    const queue = new PriorityQueue<string>();
    const link = new Link('a');
    expect(() => queue.remove(link)).toThrow('not in this queue');
    queue.push(link, 0);
    expect(() => queue.push(link, 5)).toThrow('already in a list');
    expect(() => queue.unshift(link, 0)).toThrow('already in a list');
    queue.remove(link);
    expect(() => queue.remove(link)).toThrow('not in this queue');
    expect(queue.size).toBe(0);
  });

  test('is empty without ever having held anything', () => {
    const queue = new PriorityQueue<string>();
    expect([queue.size, queue.shift(), [...queue]]).toEqual([0, undefined, []]);
  });
});
