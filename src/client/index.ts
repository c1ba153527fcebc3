export { type ErrorCode, KeylaneError } from '../errors.js';
export type {
  BatchOptions,
  BatchProgress,
  CallOptions,
  Chunk,
  DriverName,
  EngineStats,
  Outcome,
  RequestOf,
  ResponseOf,
  Result,
  StreamOptions,
} from '../index.js';
export type { Client, ClientBatch, ClientStream, Requester } from './client.js';
export { connect } from './connect.js';
export type { ClientOptions } from './options.js';
