import { LiveWriter } from './live-writer.js';

export const NDJSON_TYPE = 'application/x-ndjson';

/** A line of JSON for each event; its name and id have no place there. An empty line is no event: readers skip it. */
export class LineWriter extends LiveWriter {
  protected get heartbeat(): string {
    return '\n';
  }

  protected frame(_name: string | undefined, data: string): string {
    return `${data}\n`;
  }
}
