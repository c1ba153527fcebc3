export type {
  Account,
  AccountChange,
  AccountEndpoint,
  AccountFilter,
  AccountLimits,
  AccountOAuth,
} from './accounts/account.js';
export type { Accounts, Imported, ImportOptions } from './accounts/accounts.js';
export { type AccountsOptions, type OpenAccounts, openAccounts } from './accounts/open.js';
export type { AccountRequest, AccountRequestOf, AccountRequests, SmtpAccountRequest } from './accounts/request.js';
export { type AccountsFormat, type ParsedAccounts, parseAccounts } from './accounts/rows.js';
export type { AccountVerdict, VerifyOptions } from './accounts/verify.js';
export type { Batch } from './batch/batch.js';
export { type Batches, type BatchesOptions, openBatches, type ResultsOptions } from './batch/batches.js';
export type { OpenedJobs } from './batch/input/file-jobs.js';
export { type OpenJobsOptions, openJobs, reopenJobs, spoolJobs } from './batch/input/open.js';
export type { JournalCounts } from './batch/journal/counts.js';
export { newBatchId } from './batch/journal/id.js';
export type { BatchSelection } from './batch/journal/selection.js';
export { lineOf } from './batch/line.js';
export { type Exported, type ExportFormat, exportResults } from './batch/report/export.js';
export type { BatchReason } from './batch/report/reasons.js';
export { refusalOf } from './batch/report/refusal.js';
export type { BatchFacts, BatchReport } from './batch/report/report.js';
export type { SlowKey } from './batch/report/slowest.js';
export { type RetriedJobs, retryJobs } from './batch/retried.js';
export type { BatchOptions, BatchProgress } from './batch-options.js';
export type {
  BatchLine,
  BatchSettings,
  BatchState,
  BatchSummary,
  IndexedJob,
  InputIdentity,
  Job,
  JobOptions,
  JobSource,
} from './batch-types.js';
export type { CacheStats, EngineCache } from './cache/front.js';
export type { OperationStats } from './cache/ratios.js';
export type { DiskStats, Listed, ListOptions } from './cache/second-level.js';
export { type Fleet, type FleetHost, type LoadFleetOptions, loadFleet } from './config/fleet.js';
export { configFiles, type LoadConfigOptions, loadConfig } from './config/load.js';
export { ConfigSource, type ConfigSourceOptions } from './config/source.js';
export type { Config, ConfigEntry, ConfigFile, ConfigGroup, ConfigInventory, ConfigOrigin } from './config/types.js';
export type { EchoFault, EchoRequest, EchoResponse } from './echo-types.js';
export {
  createEngine,
  type Engine,
  type EngineStats,
  type StreamOptions,
} from './engine.js';
export type { BatchStats, EngineBatches, JobsOptions } from './engine-batches.js';
export { type ErrorCode, KeylaneError } from './errors.js';
export type { EngineEvent } from './events.js';
export type { HttpAccess, HttpOptions, HttpOrigin, HttpRequest, HttpResponse } from './http-types.js';
export type { KeyState, KeysOptions } from './key-states.js';
export type { Histogram, RequestStats } from './meter.js';
export type { BreakerOptions, EngineCacheOptions, EngineOptions, LimitOptions } from './options.js';
export type { Prewarmed, PrewarmOptions } from './prewarm.js';
export { type OperationReport, readReport } from './report/report.js';
export type { SmtpAccess, SmtpAttachment, SmtpOptions, SmtpRequest, SmtpResponse } from './smtp-types.js';
export { type JsonSchema, requestSchema } from './specs/request-schema.js';
export { describeSshConfig, type SshConfigDescription } from './specs/ssh-describe.js';
export type {
  HostKeys,
  SshAccess,
  SshAlgorithms,
  SshHop,
  SshMethod,
  SshProbe,
  SshRequest,
  SshResponse,
  SshTransport,
} from './ssh-types.js';
export type { StdioOptions, StdioRequest, StdioResponse, StdioServer } from './stdio-types.js';
export { dataDirectory, dataPath } from './store/data-dir.js';
export type { EngineStream } from './stream.js';
export { foldHosts } from './targets/fold.js';
export { excludeHosts, expandHosts, type GroupHosts, type HostAddress, parseHost } from './targets/hosts.js';
export { type InventoryOptions, loadInventory } from './targets/inventory/load.js';
export type {
  Inventory,
  InventoryCommand,
  InventoryFile,
  InventoryFormat,
  InventoryGroup,
  InventoryGroups,
  InventoryHost,
  InventoryMap,
  InventorySource,
} from './targets/inventory/types.js';
export type { DevicePrompt } from './tokens/device.js';
export {
  type Attempt,
  type CacheOptions,
  type CallOptions,
  type Channel,
  type Chunk,
  type Driver,
  type DriverLease,
  type DriverLimits,
  type DriverName,
  type Drivers,
  type ExecuteContext,
  type HostKeyQuestion,
  NOT_MODIFIED,
  type OpenContext,
  type Outcome,
  type Parsed,
  type Quota,
  type RequestOf,
  type ResponseOf,
  type Result,
  type Spec,
  type Stopped,
  StreamsExceeded,
  type Timing,
} from './types.js';
export { type Clock, systemClock } from './util/clock.js';
