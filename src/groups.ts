import { Link, List } from './util/queue.js';

/** What `stats` tells of a group. */
export interface GroupSnapshot {
  limit: number;
  inFlight: number;
}

/** One bound on calls that carry a label: of each group so many are in flight at once, in all shards together. */
class Group {
  readonly limit: number;
  /** Which of the engine's groups it is. */
  readonly number: number;
  inFlight = 0;
  /** Places kept for calls whose turn is still to come. */
  held = 0;
  /** Who waits for a place, in the order they came. */
  readonly waiting = new List<Places>();
  /** The set of this group alone. */
  readonly alone: GroupSet;

  constructor(limit: number, number: number) {
    this.limit = limit;
    this.number = number;
    this.alone = new GroupSet([this]);
  }

  get hasRoom(): boolean {
    return this.inFlight + this.held < this.limit;
  }

  /** Hands on what is free, to who came first. */
  handOn(): void {
    while (this.hasRoom) {
      const places = this.waiting.shift();
      if (!places) return;
      this.held++;
      places.given();
    }
  }
}

/** The groups of a call, the scarcest first. */
export class GroupSet {
  readonly groups: readonly Group[];

  constructor(groups: readonly Group[]) {
    this.groups = groups;
  }

  /** Takes a place in each for a call that flies at once, or none where somebody waits or one is full. */
  take(): boolean {
    for (const group of this.groups) if (!group.hasRoom || group.waiting.size > 0) return false;
    for (const group of this.groups) group.inFlight++;
    return true;
  }

  /** A call of these groups is over. */
  freed(): void {
    for (const group of this.groups) {
      group.inFlight--;
      group.handOn();
    }
  }
}

/**
 * The places that calls of one key with the same groups have or wait for, for one call at a time. They are taken one
 * group after the other, the scarcest first and always in that order, so that two who wait for each other's place are
 * impossible, and who holds one place while it waits for the next keeps the scarce one and not the many.
 */
export class Places {
  readonly set: GroupSet;
  /** Place among those that wait for one group. */
  readonly inGroup: Link<Places> = new Link<Places>(this);
  readonly #complete: () => void;
  #held = 0;

  /** `complete` is called when the last place was waited for and has come. */
  constructor(set: GroupSet, complete: () => void) {
    this.set = set;
    this.#complete = complete;
  }

  get ready(): boolean {
    return this.#held === this.set.groups.length;
  }

  /** Takes what is free and gets in line where nothing is. Asking again changes nothing. */
  ask(): void {
    if (this.inGroup.list) return;
    const { groups } = this.set;
    while (this.#held < groups.length) {
      const group = groups[this.#held]!;
      if (!group.hasRoom || group.waiting.size > 0) {
        group.waiting.push(this.inGroup);
        return;
      }
      group.held++;
      this.#held++;
    }
  }

  /** The place that it waited for. */
  given(): void {
    this.#held++;
    this.ask();
    if (this.ready) this.#complete();
  }

  /** A call flies on them: they are its own until its groups are `freed`. */
  use(): void {
    for (const group of this.set.groups) {
      group.held--;
      group.inFlight++;
    }
    this.#held = 0;
  }

  /** Leaves the line and lets others have what it has. */
  giveBack(): void {
    this.inGroup.list?.remove(this.inGroup);
    const held = this.set.groups.slice(0, this.#held);
    this.#held = 0;
    for (const group of held) {
      group.held--;
      group.handOn();
    }
  }
}

/** Sets kept; their number is bounded by the labels that are used together, which is the caller's. */
const KEPT_SETS = 4_096;

/** The bounded labels of an engine (`limits.groups`). A label that is not among them is free and costs nothing. */
export class Groups {
  readonly #groups = new Map<string, Group>();
  readonly #sets = new Map<string, GroupSet>();

  constructor(limits: Readonly<Record<string, number>>) {
    for (const [name, limit] of Object.entries(limits)) this.#groups.set(name, new Group(limit, this.#groups.size));
  }

  /** Those of the labels that are bounded; undefined where none is. */
  of(labels: readonly string[]): GroupSet | undefined {
    let first: Group | undefined;
    let several: Set<Group> | undefined;
    for (const label of labels) {
      const group = this.#groups.get(label);
      if (!group || group === first) continue;
      if (!first) first = group;
      else several = (several ?? new Set([first])).add(group);
    }
    return several ? this.#set(several) : first?.alone;
  }

  snapshot(): Record<string, GroupSnapshot> {
    return Object.fromEntries([...this.#groups].map(([name, { limit, inFlight }]) => [name, { limit, inFlight }]));
  }

  /** One object for the same groups in whatever order, so that calls with the same groups wait in one line. */
  #set(groups: Set<Group>): GroupSet {
    // Which of two with the same limit comes first does not matter, as long as it is always the same.
    const sorted = [...groups].sort((a, b) => a.limit - b.limit || a.number - b.number);
    const name = sorted.map(({ number }) => number).join();
    let set = this.#sets.get(name);
    if (!set) {
      // Sets that are in use live on without it: new calls of the same groups then wait in a line of their own.
      if (this.#sets.size >= KEPT_SETS) this.#sets.clear();
      set = new GroupSet(sorted);
      this.#sets.set(name, set);
    }
    return set;
  }
}
