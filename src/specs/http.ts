import { KeylaneError } from '../errors.js';
import type { HttpOptions, HttpRequest, HttpResponse } from '../http-types.js';
import { laneOf } from '../routing.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { httpRequest } from './http-schema.js';

/** What a connection is opened to. */
export interface HttpTarget {
  origin: string;
}

/** What crosses the wall. */
export interface HttpOrder {
  method: string;
  path: string;
}

/** The `http` spec, with an engine's defaults. They are not checked here: `httpOptions` is their schema. */
export function makeHttpSpec(_options: HttpOptions = {}): Spec<HttpRequest, HttpOrder, HttpResponse> {
  return {
    name: 'http',
    parse(input) {
      const { url, method = 'GET' } = check(httpRequest, input, 'http', 'ERR_INPUT') as HttpRequest;
      if (!URL.canParse(url)) throw new KeylaneError('ERR_INPUT', 'http.url: expected a URL');
      const { origin, pathname, search } = new URL(url);
      const target = { origin };
      return { key: origin, lane: laneOf(origin, target), target, request: { method, path: pathname + search } };
    },
    ok: ({ status }) => (status >= 200 && status < 300) || status === 304,
  };
}
