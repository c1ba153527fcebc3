type Child = Node | string;

interface Said {
  class?: string;
  text?: string;
  [attribute: string]: string | undefined;
}

/** An element. Text is always text: nothing in this dashboard is ever read as markup. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { class: names, text, ...attributes }: Said = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (names !== undefined) made.className = names;
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** The element of index.html with this id, which must be one of these. */
export function byId<T extends HTMLElement = HTMLElement>(id: string, type?: new () => T): T {
  const found = document.getElementById(id);
  if (!found || (type && !(found instanceof type))) throw new Error(`index.html has no #${id} of that kind`);
  return found as T;
}

/** Only where it is another: what is not touched need not be laid out, nor read out, again. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function show(element: HTMLElement, isShown: boolean): void {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/** A row of a list that stays the same element for as long as its item is there: focus and selection stay with it. */
export interface Row<T> {
  readonly element: HTMLElement;
  update(item: T): void;
}

/** Children of `parent`, one for each item, in their order. */
export class KeyedList<T> {
  readonly #parent: HTMLElement;
  readonly #make: (item: T) => Row<T>;
  readonly #keyOf: (item: T) => string;
  #rows = new Map<string, Row<T>>();

  constructor(parent: HTMLElement, keyOf: (item: T) => string, make: (item: T) => Row<T>) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  update(items: readonly T[]): void {
    const rows = new Map<string, Row<T>>();
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      const key = this.#keyOf(item);
      if (rows.has(key)) continue;
      const row = this.#rows.get(key) ?? this.#make(item);
      rows.set(key, row);
      row.update(item);
      if (row.element === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(row.element, place);
    }
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    this.#rows = rows;
  }
}

/** How much of it: a bar that is read out as a figure. */
export class Bar {
  readonly element: HTMLElement;
  readonly #fill = el('span', { class: 'fill' });

  constructor(label: string, role: 'meter' | 'progressbar' = 'meter') {
    this.element = el('span', {
      class: 'bar',
      role,
      'aria-label': label,
      'aria-valuemin': '0',
      'aria-valuemax': '100',
    });
    this.element.append(this.#fill);
  }

  /** 0 … 1; undefined: it cannot be said. `words`: what is read out. */
  set(share: number | undefined, words: string, level: '' | 'warn' | 'bad' = ''): void {
    const value = Math.round(100 * Math.min(1, Math.max(0, share ?? 0)));
    this.element.dataset.level = level;
    if (share === undefined) this.element.removeAttribute('aria-valuenow');
    else this.element.setAttribute('aria-valuenow', String(value));
    this.element.setAttribute('aria-valuetext', words);
    this.#fill.style.width = `${value}%`;
  }
}
