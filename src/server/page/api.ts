/** What the service says is wrong: RFC 9457. */
export class Problem extends Error {
  readonly status: number;
  /** Of docs/errors.md; '' where the answer has none. */
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
  }
}

interface Asked {
  method?: string;
  accept?: string;
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The service's API, with one token. */
export class Api {
  readonly #token: string;
  /** Called when the service takes the token no longer. */
  onUnauthenticated: (() => void) | undefined = undefined;

  constructor(token: string) {
    this.#token = token;
  }

  async json<T>(path: string, asked: Asked = {}): Promise<T> {
    const response = await this.open(path, asked);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** The answer, still to be read. Rejects with a Problem unless it is a yes. */
  async open(path: string, { method = 'GET', accept = 'application/json', body, headers, signal }: Asked = {}) {
    const response = await fetch(path, {
      method,
      headers: {
        accept,
        authorization: `Bearer ${this.#token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      // The token alone says who asks.
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
    });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.status === 401) this.onUnauthenticated?.();
    throw problem;
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => '');
  try {
    const { code = '', detail, title } = JSON.parse(text) as { code?: string; detail?: string; title?: string };
    return new Problem(response.status, code, detail ?? title ?? `status ${response.status}`);
  } catch {
    return new Problem(response.status, '', text.slice(0, 500) || `status ${response.status}`);
  }
}

/** The text of an answer, piece by piece, as it comes. */
export async function* piecesOf(response: Response): AsyncGenerator<string, void, undefined> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Left early: the service is to hear of it.
    await reader.cancel().catch(() => {});
  }
}

/** What went wrong, in words. */
export function inWords(error: unknown): string {
  if (error instanceof Problem) return error.code ? `${error.message} (${error.code})` : error.message;
  if (error instanceof TypeError) return 'the service cannot be reached';
  return error instanceof Error ? error.message : String(error);
}
