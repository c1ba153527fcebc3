import { LiveWriter } from './live-writer.js';

export const SSE_TYPE = 'text/event-stream; charset=utf-8';

const LINE_END = /\r\n|\r|\n/;

/** Server-sent events (WHATWG HTML, 9.2): what a browser's EventSource reads. */
export class EventWriter extends LiveWriter {
  protected get heartbeat(): string {
    return ':\n\n';
  }

  protected frame(name: string | undefined, data: string, id: string | undefined): string {
    // JSON has no line ends.
    const lines = LINE_END.test(data) ? data.split(LINE_END).join('\ndata: ') : data;
    return `${id === undefined ? '' : `id: ${id}\n`}${name === undefined ? '' : `event: ${name}\n`}data: ${lines}\n\n`;
  }
}

/** Does this client want events rather than lines? */
export function wantsEvents(accept: string | undefined): boolean {
  return accept?.includes('text/event-stream') === true;
}
