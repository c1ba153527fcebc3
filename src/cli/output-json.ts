import { isUtf8 } from 'node:buffer';
import type { KeylaneError, SshResponse } from '../index.js';
import type { HostResult, Item } from './item.js';
import { InOrder, type Output } from './output.js';
import type { Screen } from './screen.js';

/** One line of JSON for each host, as it settles or in the order of the hosts. */
export class Ndjson implements Output {
  readonly live = false;
  readonly #screen: Screen;
  readonly #inOrder: InOrder<string> | undefined;

  constructor(screen: Screen, ordered: boolean) {
    this.#screen = screen;
    this.#inOrder = ordered ? new InOrder((line) => screen.write('out', line)) : undefined;
  }

  chunk(): void {}

  result(item: Item, result: HostResult): void {
    const line = `${JSON.stringify(record(item, result))}\n`;
    if (this.#inOrder) this.#inOrder.put(item.index, line);
    else this.#screen.write('out', line);
  }

  end(): void {}
}

/** The same records as one array, in the order of the hosts. */
export class Json implements Output {
  readonly live = false;
  readonly #screen: Screen;
  readonly #inOrder: InOrder<string>;
  #written = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#inOrder = new InOrder((text) => screen.write('out', `${this.#written++ === 0 ? '[' : ','}\n${text}`));
  }

  chunk(): void {}

  result(item: Item, result: HostResult): void {
    this.#inOrder.put(item.index, JSON.stringify(record(item, result)));
  }

  end(): void {
    this.#screen.write('out', this.#written === 0 ? '[]\n' : '\n]\n');
  }
}

/** A result as JSON. The order of the members is part of the format. */
function record(item: Item, result: HostResult): Record<string, unknown> {
  const { key, outcome, response, error, attempts, shard, reused, cache, cached, timing, history } = result;
  return {
    index: item.index,
    id: item.id,
    host: item.address?.host ?? item.id,
    key,
    outcome,
    ...(response ? { response: responseRecord(response) } : { error: errorRecord(error) }),
    attempts,
    shard,
    reused,
    cache,
    ...(cached && { cached }),
    timing: { queuedMs: rounded(timing.queuedMs), openMs: rounded(timing.openMs), runMs: rounded(timing.runMs) },
    history,
  };
}

function responseRecord({ stdout, stderr, ...others }: SshResponse): Record<string, unknown> {
  const { code, signal, truncated, bytes, detached } = others;
  return {
    code,
    signal,
    stdout: textOrBase64(stdout),
    stderr: textOrBase64(stderr),
    truncated,
    ...(bytes !== undefined && { bytes }),
    ...(detached && { detached }),
  };
}

function errorRecord(error: KeylaneError | undefined): Record<string, unknown> {
  return { code: error?.code, message: error?.message, ...(error?.stopped && { stopped: error.stopped }) };
}

/** Bytes as text where they are UTF-8, so that nothing is lost where they are not. */
function textOrBase64(output: string | Buffer): string | { base64: string } {
  if (typeof output === 'string') return output;
  return isUtf8(output) ? output.toString() : { base64: output.toString('base64') };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
