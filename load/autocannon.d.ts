/** What load/ uses of autocannon, which brings no types. */
declare module 'autocannon' {
  export interface Options {
    url: string;
    method?: 'GET' | 'POST';
    headers?: Record<string, string>;
    body?: string;
    /** Each connection sends them in turn. */
    requests?: { body: string }[];
    connections: number;
    /** Seconds. */
    duration?: number;
    /** Requests, instead of a duration. */
    amount?: number;
    /** Seconds. */
    timeout?: number;
  }
  export interface Result {
    /** Seconds. */
    duration: number;
    requests: { total: number };
    '2xx': number;
    non2xx: number;
    errors: number;
    timeouts: number;
  }
  // biome-ignore lint/style/noDefaultExport: it is how autocannon is made.
  export default function autocannon(options: Options): Promise<Result>;
}
