import { checkJob, checkLabels } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import type { BatchOptions, JobOptions } from '../index.js';
import { requestJson } from './json.js';
import type { About } from './settled.js';

/** A request of a batch that was taken from the input. */
export interface Item extends About {
  /** Its job, as the line that the service is sent. */
  line: string;
  /** Why it is not sent: its own fault, and that of no other. */
  refused: KeylaneError | undefined;
}

/** `place`: where the service counts it, among those that it is sent. */
export function itemOf<Req>(
  driver: string,
  index: number,
  place: number,
  request: Req,
  options: Pick<BatchOptions<Req>, 'each' | 'labels' | 'traceparent'>,
): Item {
  const item: Item = { index, id: String(index), driver, request, line: '', refused: undefined };
  try {
    const own = ownOf(request, index, options);
    if (own.id !== undefined) item.id = own.id;
    else if (index !== place) own.id = item.id;
    item.line = `${JSON.stringify(own).slice(0, -1)}${Object.keys(own).length > 0 ? ',' : ''}"request":${requestJson(driver, request)}}\n`;
  } catch (error) {
    item.refused =
      error instanceof KeylaneError ? error : new KeylaneError('ERR_INPUT', String(error), { cause: error });
  }
  return item;
}

function ownOf<Req>(
  request: Req,
  index: number,
  { each, labels, traceparent }: Pick<BatchOptions<Req>, 'each' | 'labels' | 'traceparent'>,
): JobOptions {
  const own: JobOptions = {};
  if (each) {
    const said = each(request, index);
    checkJob(said, false);
    for (const [name, value] of Object.entries(said ?? {}))
      if (value !== undefined) Object.assign(own, { [name]: value });
  }
  if (labels && own.labels === undefined) {
    const said = typeof labels === 'function' ? checkLabels(labels(request, index)) : labels;
    if (said) own.labels = said;
  }
  if (traceparent !== undefined) own.traceparent ??= traceparent;
  return own;
}
