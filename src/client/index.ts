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
export type { ToldBatch } from '../server/batches/told.js';
export type { LoggedEvent } from '../server/events.js';
export type { History } from '../server/history.js';
export type { ServiceStats } from '../server/metrics/stats.js';
export type { KeptResultsOptions, ServiceBatches, SubmitOptions } from './batches.js';
export type { ServiceCache } from './cache.js';
export type { Client, ClientBatch, ClientStream, Requester } from './client.js';
export { connect } from './connect.js';
export type { ServiceAccount } from './lists.js';
export type { ClientOptions } from './options.js';
