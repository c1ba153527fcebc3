import { KeylaneError } from '../../../src/errors.js';
import type { HttpResponse } from '../../../src/http-types.js';
import type { HttpOrder, HttpTarget } from '../../../src/specs/http.js';
import type { Driver } from '../../../src/types.js';

export function load(): Promise<Driver<HttpTarget, object, HttpOrder, HttpResponse>> {
  return Promise.resolve({
    streams: 1,
    open: () => Promise.reject(new KeylaneError('ERR_CONNECT', 'not built yet')),
    execute: () => Promise.reject(new KeylaneError('ERR_CONNECTION_LOST', 'not built yet')),
    reusable: () => true,
    close() {},
  });
}
