/** One server-sent event. `event` and `id` as the standard has them: 'message' and '' where nothing was said. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string;
}

/** Of one event, its names and its comments. */
const MOST_BYTES = 1 << 20;
const MOST_ID = 1 << 10;
const CR = 13;
const LF = 10;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads a stream of events, however it is cut. (WHATWG HTML § 9.2, "Server-sent events") Lines end at bytes that are part
 * of no other character in UTF-8, so bytes are looked through and only whole lines become text.
 */
export class EventReader {
  /** The beginning of a line whose end has not come. */
  #rest: Buffer | undefined = undefined;
  #restBytes = 0;
  /** Of the event that is being read. */
  #bytes = 0;
  #data: string[] = [];
  #event = '';
  #id = '';
  /** The last line ended in CR: an LF now is its other half. */
  #afterCr = false;
  #begun = false;

  /** The events that end in these bytes. Throws a RangeError where one gets too large. */
  *read(bytes: Buffer): Generator<ServerEvent> {
    let from = 0;
    if (this.#afterCr && bytes.length > 0) {
      this.#afterCr = false;
      if (bytes[0] === LF) from = 1;
    }
    for (;;) {
      const end = lineEnd(bytes, from);
      if (end < 0) break;
      const event = this.#line(this.#whole(bytes.subarray(from, end)));
      if (event) yield event;
      from = end + 1;
      if (bytes[end] !== CR) continue;
      if (from === bytes.length) this.#afterCr = true;
      else if (bytes[from] === LF) from++;
    }
    if (from < bytes.length) this.#keep(bytes.subarray(from));
  }

  /** Cut into very small pieces, a line must not cost a Buffer, or a copy of all, for each of them. */
  #keep(piece: Buffer): void {
    const bytes = this.#restBytes + piece.length;
    this.#bound(bytes);
    if (!this.#rest || this.#rest.length < bytes) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * bytes, 256));
      this.#rest?.copy(larger, 0, 0, this.#restBytes);
      this.#rest = larger;
    }
    piece.copy(this.#rest, this.#restBytes);
    this.#restBytes = bytes;
  }

  #whole(end: Buffer): string {
    let line = end;
    if (this.#restBytes > 0) {
      this.#keep(end);
      line = (this.#rest as Buffer).subarray(0, this.#restBytes);
      this.#rest = undefined;
      this.#restBytes = 0;
    }
    this.#bytes += line.length;
    this.#bound(0);
    const isFirst = !this.#begun;
    this.#begun = true;
    return isFirst && line.subarray(0, 3).equals(BOM) ? line.toString('utf8', 3) : line.toString('utf8');
  }

  #bound(further: number): void {
    if (this.#bytes + further > MOST_BYTES)
      throw new RangeError(`an event of more than ${MOST_BYTES} bytes, or no end of a line`);
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) {
      // It goes with each event from here on, be that as short as it may.
      if (value.length > MOST_ID) throw new RangeError(`an event's id of more than ${MOST_ID} characters`);
      this.#id = value;
    }
    // `retry` is for who connects again by himself.
    return undefined;
  }

  #dispatch(): ServerEvent | undefined {
    const { length } = this.#data;
    const event =
      length === 0 ? undefined : { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    if (length > 0) this.#data = [];
    this.#event = '';
    this.#bytes = 0;
    return event;
  }
}

function lineEnd(bytes: Buffer, from: number): number {
  const lf = bytes.indexOf(LF, from);
  const cr = bytes.subarray(from, lf < 0 ? bytes.length : lf).indexOf(CR);
  return cr < 0 ? lf : from + cr;
}
