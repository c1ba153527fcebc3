import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';

export interface StreamEnd {
  /** Of each channel, the bytes. */
  output: Record<string, Buffer>;
  /** The last line. */
  result: { outcome: string; response?: unknown; error?: { code: string; message: string } } & Record<string, unknown>;
}

/** A client of `POST /v1/stream`, or of another path, that sends lines, or one body of JSON, and reads lines. */
export class HttpStream {
  readonly request: ClientRequest;
  /** The head of the answer. */
  readonly head: Promise<IncomingMessage>;

  constructor(to: { url: string; token: string }, headers: Record<string, string> = {}, path = '/v1/stream') {
    this.request = request(`${to.url}${path}`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${to.token}`, 'content-type': 'application/x-ndjson', ...headers },
    });
    // How it ended is told by what was read.
    this.request.on('error', () => {});
    this.head = once(this.request, 'response').then(([response]) => response as IncomingMessage);
    this.head.catch(() => {});
  }

  /** Both ways: the first line is the request. */
  static twoWay(to: { url: string; token: string }, first: unknown, headers?: Record<string, string>): HttpStream {
    const stream = new HttpStream(to, headers);
    void stream.send(first);
    return stream;
  }

  /** One way: the body is the request. */
  static oneWay(to: { url: string; token: string }, body: unknown, headers?: Record<string, string>): HttpStream {
    const stream = new HttpStream(to, { 'content-type': 'application/json', ...headers });
    stream.request.end(JSON.stringify(body));
    return stream;
  }

  /** Resolves when there is room for more. */
  async send(line: unknown): Promise<void> {
    const text = typeof line === 'string' ? line : JSON.stringify(line);
    if (this.request.write(`${text}\n`)) return;
    await new Promise<void>((resolve) => {
      const go = () => {
        this.request.off('drain', go).off('close', go);
        resolve();
      };
      this.request.on('drain', go).on('close', go);
    });
  }

  end(): void {
    this.request.end();
  }

  /** The lines of the answer, as they come. */
  async *lines(): AsyncGenerator<Record<string, unknown>> {
    for await (const line of createInterface({ input: await this.head })) if (line !== '') yield JSON.parse(line);
  }

  /** Reads to the end. */
  async rest(): Promise<StreamEnd> {
    const output: Record<string, Buffer[]> = {};
    let result: StreamEnd['result'] | undefined;
    for await (const line of this.lines()) {
      if (typeof line.channel !== 'string') result = line as StreamEnd['result'];
      else {
        const piece =
          'base64' in line ? Buffer.from(line.base64 as string, 'base64') : Buffer.from(line.data as string);
        output[line.channel] ??= [];
        output[line.channel]?.push(piece);
      }
    }
    if (!result) throw new Error('the answer has no last line');
    const whole = Object.entries(output).map(([channel, pieces]) => [channel, Buffer.concat(pieces)]);
    return { output: Object.fromEntries(whole), result };
  }

  /** The client goes. */
  destroy(): void {
    this.request.destroy();
  }
}
