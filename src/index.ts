export { type ErrorCode, KeylaneError } from './errors.js';
export { StreamsExceeded } from './types.js';
