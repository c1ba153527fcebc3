/**
 * Doubly linked lists with the links outside the items: an item joins and leaves in O(1), is in at most one place per
 * link, and can be in several lists by having several links.
 */
export class Link<T> {
  readonly item: T;
  /** The list it is in, or undefined. Changed by List alone, as are the neighbours. */
  list: List<T> | undefined = undefined;
  before: Link<T> | undefined = undefined;
  after: Link<T> | undefined = undefined;

  constructor(item: T) {
    this.item = item;
  }
}

export class List<T> {
  #first: Link<T> | undefined = undefined;
  #last: Link<T> | undefined = undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first?.item;
  }

  get last(): T | undefined {
    return this.#last?.item;
  }

  /** Adds at the end. Throws if the link is in a list already. */
  push(link: Link<T>): void {
    this.#adopt(link);
    link.before = this.#last;
    if (this.#last) this.#last.after = link;
    else this.#first = link;
    this.#last = link;
  }

  /** Adds at the start. Throws if the link is in a list already. */
  unshift(link: Link<T>): void {
    this.#adopt(link);
    link.after = this.#first;
    if (this.#first) this.#first.before = link;
    else this.#last = link;
    this.#first = link;
  }

  /** Takes the first item out. */
  shift(): T | undefined {
    const link = this.#first;
    if (!link) return undefined;
    this.remove(link);
    return link.item;
  }

  /** Takes an item out, wherever it stands. Throws if it is not in this list. */
  remove(link: Link<T>): void {
    if (link.list !== this) throw new Error('not in this list');
    if (link.before) link.before.after = link.after;
    else this.#first = link.after;
    if (link.after) link.after.before = link.before;
    else this.#last = link.before;
    link.before = undefined;
    link.after = undefined;
    link.list = undefined;
    this.#size--;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let link = this.#first; link; ) {
      const next: Link<T> | undefined = link.after;
      yield link.item;
      link = next;
    }
  }

  /** From the last to the first. */
  *backwards(): Iterable<T> {
    for (let link = this.#last; link; ) {
      const next: Link<T> | undefined = link.before;
      yield link.item;
      link = next;
    }
  }

  #adopt(link: Link<T>): void {
    if (link.list) throw new Error('already in a list');
    link.list = this;
    this.#size++;
  }
}

/** Priorities run from −10 to 10. */
const HIGHEST = 10;
const LEVELS = 21;

/** First in, first out within a priority; higher priorities first. Joining and leaving are O(1). */
export class PriorityQueue<T> {
  #levels: (List<T> | undefined)[] | undefined = undefined;
  /** No level before it has an item: a look at all of them costs more than the rest of a turn. */
  #from = LEVELS;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** What `shift` would take. */
  get first(): T | undefined {
    return this.#highest?.first;
  }

  /** The first of each priority, the highest first. */
  *heads(): Iterable<T> {
    for (const level of this.#levels ?? []) {
      const head = level?.first;
      if (head !== undefined) yield head;
    }
  }

  push(link: Link<T>, priority: number): void {
    this.#level(priority).push(link);
    this.#size++;
  }

  /** Puts back what had its turn and could not use it: it is the next of its priority. */
  unshift(link: Link<T>, priority: number): void {
    this.#level(priority).unshift(link);
    this.#size++;
  }

  shift(): T | undefined {
    const level = this.#highest;
    if (!level) return undefined;
    this.#size--;
    return level.shift();
  }

  remove(link: Link<T>): void {
    if (!link.list) throw new Error('not in this queue');
    link.list.remove(link);
    this.#size--;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const level of this.#levels ?? []) if (level) yield* level;
  }

  get #highest(): List<T> | undefined {
    if (this.#size === 0 || !this.#levels) return undefined;
    for (; this.#from < LEVELS; this.#from++) {
      const level = this.#levels[this.#from];
      if (level && level.size > 0) return level;
    }
    return undefined;
  }

  #level(priority: number): List<T> {
    this.#levels ??= new Array(LEVELS);
    const level = HIGHEST - priority;
    let list = this.#levels[level];
    if (!list) {
      list = new List();
      this.#levels[level] = list;
    }
    if (level < this.#from) this.#from = level;
    return list;
  }
}
