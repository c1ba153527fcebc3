import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, newOwner, type Owner, readOwner } from '../util/owner.js';
import { readText } from './files.js';

const FOLDER = 'users';

/** The processes that have a store open: a file each, so that one that was killed is found by what it left behind. */
export class Users {
  readonly #folder: string;
  readonly #me: Owner = newOwner();

  constructor(dir: string) {
    this.#folder = join(dir, FOLDER);
  }

  enter(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#fileOf(this.#me.id);
    const draft = join(this.#folder, `.${this.#me.id}`);
    // Renamed when it is whole: half of it would be nobody's.
    writeFileSync(draft, JSON.stringify(this.#me), { mode: 0o600 });
    renameSync(draft, file);
  }

  leave(): void {
    this.#remove(this.#me.id);
  }

  /** Who else is there. Of a process of another container nobody knows: it counts as dead, at the cost of a walk. */
  look(): { alive: number; dead: string[] } {
    const dead: string[] = [];
    let alive = 0;
    for (const id of this.#ids()) {
      const owner = this.#read(id);
      if (owner && isAlive(owner)) alive++;
      else if (owner !== undefined) dead.push(id);
    }
    return { alive, dead };
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) this.#remove(id);
  }

  #ids(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => !name.startsWith('.') && name !== this.#me.id);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Null if it is no owner, undefined if it has left meanwhile. */
  #read(id: string): Owner | null | undefined {
    const text = readText(this.#fileOf(id));
    return text === undefined ? undefined : (readOwner(text) ?? null);
  }

  #remove(id: string): void {
    rmSync(this.#fileOf(id), { force: true, recursive: true });
  }

  #fileOf(id: string): string {
    return join(this.#folder, id);
  }
}
