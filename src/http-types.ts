/** How an origin is reached. */
export interface HttpAccess {
  /** `http://user@host:port`; the password is `proxyPassword`. */
  proxy?: string;
  /** A reference, `env:NAME` or `file:PATH`. */
  proxyPassword?: string;
  /** Path of a PEM file with the certificates that are trusted, in place of those of Node. */
  ca?: string;
  /** Path of our certificate (mTLS), in PEM. */
  cert?: string;
  /** A reference to its private key, in PEM. */
  key?: string;
  /** A reference to the passphrase of that. */
  passphrase?: string;
  /** The name that the certificate must have. @default the URL's host */
  servername?: string;
  /** True: HTTP/2 where the peer offers it (ALPN). @default false */
  http2?: boolean;
}

/** One request. The key is the origin of its URL. (RFC 9110) */
export interface HttpRequest extends HttpAccess {
  /** Absolute, http or https, without a user or a password. */
  url: string;
  /** @default 'GET', or 'POST' with a body */
  method?: string;
  /** Those of the connection, `host` and `content-length` are keylane's own. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /** At most 16 MiB; more is written to a stream. Bytes also as base64. */
  body?: string | Uint8Array | { base64: string };
  /** The body as JSON, with its content type. */
  json?: unknown;
  /** A reference to a token that is sent as `Authorization: Bearer`, to this origin only. */
  bearer?: string;
  /** Redirects that are followed; what they lead to is asked by its own key. @default 5 */
  redirects?: number;
  /** Bytes kept of the body, decompressed. @default 1_048_576 */
  maxBodyBytes?: number;
  /** Of a stream: each chunk is one server-sent event, as JSON `{ event, data, id }`, in place of bytes as they come. @default false */
  events?: boolean;
  /** `buffer`: the body as bytes. @default 'utf8' */
  encoding?: 'utf8' | 'buffer';
}

/** `ok` for 2xx and 304. */
export interface HttpResponse {
  status: number;
  /** Names in lower case; several of one name as a list. */
  headers: Record<string, string | string[]>;
  /** '' where it was handed out by a stream. */
  body: string | Buffer;
  /** The body was longer than `maxBodyBytes`. */
  truncated: boolean;
  /** Where the answer came from, after redirects. */
  url: string;
  /** URLs that led here, the first one first. */
  redirected?: string[];
}

/** Defaults of HTTP requests. */
export interface HttpOptions extends HttpAccess {
  /**
   * Networks that no request may connect to, as CIDR (`10.0.0.0/8`), or `private`: all that are not public (RFC 6890). The
   * address that is connected to is looked at, not the name. Origins in `origins` are free of it. @default none
   */
  deny?: 'private' | readonly string[];
  /** Networks that may be connected to all the same. */
  allow?: readonly string[];
  /** How single origins are reached: `https://api.example`. A request says none of it then. */
  origins?: Readonly<Record<string, HttpOrigin>>;
  /** Connections to one origin; with HTTP/2 each carries up to 100 requests. @default 32 */
  connections?: number;
  /** Bytes kept of a body, decompressed. @default 1_048_576 */
  maxBodyBytes?: number;
  /** Redirects that are followed. @default 5 */
  redirects?: number;
}

/** One origin of the configuration. */
export interface HttpOrigin extends HttpAccess {
  /** Connections to it. @default the option `connections` */
  connections?: number;
}
