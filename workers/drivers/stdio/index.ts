import { KeylaneError } from '../../../src/errors.js';
import type { StdioOrder, StdioTarget } from '../../../src/specs/stdio.js';
import type { StdioResponse } from '../../../src/stdio-types.js';
import type { Driver } from '../../../src/types.js';

export function load(): Promise<Driver<StdioTarget, object, StdioOrder, StdioResponse>> {
  return Promise.resolve({
    streams: 1,
    open: () => Promise.reject(new KeylaneError('ERR_CONNECT', 'not built yet')),
    execute: () => Promise.reject(new KeylaneError('ERR_CONNECTION_LOST', 'not built yet')),
    reusable: () => true,
    close() {},
  });
}
