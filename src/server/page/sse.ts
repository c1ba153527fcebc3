/** One event of `text/event-stream`. */
export interface ServerEvent {
  /** `message` where the server names none. */
  type: string;
  data: string;
  /** The last one seen, of this event or an earlier one. */
  id: string;
}

/** Takes apart what an event stream sends, however it is cut. `EventSource` cannot send our token, so we read it by fetch. */
export class EventParser {
  #rest = '';
  #type = '';
  #data: string[] = [];
  #id = '';

  push(piece: string): ServerEvent[] {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    const events: ServerEvent[] = [];
    for (const line of lines) {
      if (line === '') this.#end(events);
      else this.#field(line);
    }
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    // A comment: it only keeps the connection warm.
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#type = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }

  #end(events: ServerEvent[]): void {
    if (this.#data.length > 0)
      events.push({ type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id });
    this.#type = '';
    this.#data = [];
  }
}
