import type { TestService } from './service.js';

/** What the API tells of a batch, as far as tests look at it. */
export interface ToldBatch {
  id: string;
  state: string;
  why?: string;
  here: boolean;
  paused: boolean;
  principal: string | null;
  total: number;
  settled: number;
  counts: Record<string, number>;
  options?: object;
  retryOf?: { id: string; outcomes: string[] };
}

interface Problem {
  status: number;
  code: string;
  detail: string;
  errors?: { line: number; detail: string }[];
}

/** An answer of the API. */
export interface Answered {
  status: number;
  location: string | null;
  body: ToldBatch & Problem;
}

export const NDJSON = 'application/x-ndjson';

/** Job lines of the driver `echo`. */
export function echoLines(count: number, more: (index: number) => object = () => ({})): string {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ driver: 'echo', request: { key: `k${index % 10}`, payload: index, ...more(index) } }),
  );
  return `${lines.join('\n')}\n`;
}

/** Submits a batch. */
export async function submit(
  { service }: TestService,
  key: string | undefined,
  body: string,
  { query = '', type = NDJSON, token = service.token }: { query?: string; type?: string; token?: string } = {},
): Promise<Answered> {
  const answer = await fetch(`${service.url}/v1/batches${query}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': type,
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    body,
  });
  return answered(answer);
}

export async function answered(answer: Response): Promise<Answered> {
  const text = await answer.text();
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    body: (text === '' ? {} : JSON.parse(text)) as Answered['body'],
  };
}

/** Follows a batch to its end. */
export async function resultsOf(
  at: TestService,
  id: string,
  query = '?follow=true',
): Promise<{ index: number; id: string; outcome: string; response?: { payload?: unknown } }[]> {
  const text = await (await at.call('GET', `/v1/batches/${id}/results${query}`)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

export async function shown(at: TestService, id: string): Promise<ToldBatch> {
  return (await answered(await at.call('GET', `/v1/batches/${id}`))).body;
}
