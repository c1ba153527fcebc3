/** One server-sent event. */
export interface SseEvent {
  readonly name: string;
  readonly data: string;
  readonly id?: string;
}

/** Reads the server-sent events of an answer, one by one, until the answer ends or the loop is left. */
export async function* sseEvents(answer: Response): AsyncGenerator<SseEvent> {
  if (!answer.body) throw new Error('an answer without a body');
  let text = '';
  for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const event = eventIn(block);
      if (event) yield event;
    }
  }
}

function eventIn(block: string): SseEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name !== '') fields.set(name, name === 'data' && fields.has(name) ? `${fields.get(name)}\n${value}` : value);
  }
  const data = fields.get('data');
  const id = fields.get('id');
  return data === undefined
    ? undefined
    : { name: fields.get('event') ?? 'message', data, ...(id !== undefined && { id }) };
}
