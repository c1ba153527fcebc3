import { readFileSync } from 'node:fs';
import * as keylane from 'keylane';
import { expect, test } from 'vitest';

/** What a program may import, by name. A change here is a change for users: CHANGELOG.md has a line for it. */
const VALUES = [
  'ConfigSource',
  'KeylaneError',
  'NOT_MODIFIED',
  'StreamsExceeded',
  'configFiles',
  'createEngine',
  'dataDirectory',
  'dataPath',
  'describeSshConfig',
  'excludeHosts',
  'expandHosts',
  'exportResults',
  'foldHosts',
  'lineOf',
  'loadConfig',
  'loadFleet',
  'loadInventory',
  'newBatchId',
  'openAccounts',
  'openBatches',
  'openJobs',
  'parseAccounts',
  'parseHost',
  'readReport',
  'refusalOf',
  'reopenJobs',
  'requestSchema',
  'retryJobs',
  'spoolJobs',
  'systemClock',
];
const TYPES = [
  'Account',
  'AccountChange',
  'AccountEndpoint',
  'AccountFilter',
  'AccountLimits',
  'AccountOAuth',
  'AccountRequest',
  'AccountRequestOf',
  'AccountRequests',
  'AccountVerdict',
  'Accounts',
  'AccountsFormat',
  'AccountsOptions',
  'Attempt',
  'Batch',
  'BatchFacts',
  'BatchLine',
  'BatchOptions',
  'BatchProgress',
  'BatchReason',
  'BatchReport',
  'BatchSelection',
  'BatchSettings',
  'BatchState',
  'BatchStats',
  'BatchSummary',
  'Batches',
  'BatchesOptions',
  'BreakerOptions',
  'CacheOptions',
  'CacheStats',
  'CallOptions',
  'Channel',
  'Chunk',
  'Clock',
  'Config',
  'ConfigEntry',
  'ConfigFile',
  'ConfigGroup',
  'ConfigInventory',
  'ConfigOrigin',
  'ConfigSourceOptions',
  'DevicePrompt',
  'DiskStats',
  'Driver',
  'DriverLease',
  'DriverLimits',
  'DriverName',
  'Drivers',
  'EchoFault',
  'EchoRequest',
  'EchoResponse',
  'Engine',
  'EngineBatches',
  'EngineCache',
  'EngineCacheOptions',
  'EngineEvent',
  'EngineOptions',
  'EngineStats',
  'EngineStream',
  'ErrorCode',
  'ExecuteContext',
  'ExportFormat',
  'Exported',
  'Fleet',
  'FleetHost',
  'GroupHosts',
  'Histogram',
  'HostAddress',
  'HostKeyQuestion',
  'HostKeys',
  'HttpAccess',
  'HttpOptions',
  'HttpOrigin',
  'HttpRequest',
  'HttpResponse',
  'ImportOptions',
  'Imported',
  'IndexedJob',
  'InputIdentity',
  'Inventory',
  'InventoryCommand',
  'InventoryFile',
  'InventoryFormat',
  'InventoryGroup',
  'InventoryGroups',
  'InventoryHost',
  'InventoryMap',
  'InventoryOptions',
  'InventorySource',
  'Job',
  'JobOptions',
  'JobSource',
  'JobsOptions',
  'JournalCounts',
  'JsonSchema',
  'KeyState',
  'KeysOptions',
  'LimitOptions',
  'ListOptions',
  'Listed',
  'LoadConfigOptions',
  'LoadFleetOptions',
  'OpenAccounts',
  'OpenContext',
  'OpenJobsOptions',
  'OpenedJobs',
  'OperationReport',
  'OperationStats',
  'Outcome',
  'Parsed',
  'ParsedAccounts',
  'PrewarmOptions',
  'Prewarmed',
  'Quota',
  'RequestOf',
  'RequestStats',
  'ResponseOf',
  'Result',
  'ResultsOptions',
  'RetriedJobs',
  'SlowKey',
  'SmtpAccess',
  'SmtpAccountRequest',
  'SmtpAttachment',
  'SmtpOptions',
  'SmtpRequest',
  'SmtpResponse',
  'Spec',
  'SshAccess',
  'SshAlgorithms',
  'SshConfigDescription',
  'SshHop',
  'SshMethod',
  'SshProbe',
  'SshRequest',
  'SshResponse',
  'SshTransport',
  'StdioOptions',
  'StdioRequest',
  'StdioResponse',
  'StdioServer',
  'Stopped',
  'StreamOptions',
  'Timing',
  'VerifyOptions',
];

test('the public surface is exactly this', () => {
  expect(Object.keys(keylane).sort()).toEqual(VALUES);
  const index = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8');
  const blocks = [...index.matchAll(/^export (type )?\{([^}]*)\}/gm)];
  const names = blocks.flatMap(([, types, list]) =>
    (list as string)
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({ name: name.replace(/^type /, ''), type: types !== undefined || name.startsWith('type ') })),
  );
  const sorted = (type: boolean) =>
    names
      .filter((name) => name.type === type)
      .map(({ name }) => name)
      .sort();
  expect(sorted(false)).toEqual(VALUES);
  expect(sorted(true)).toEqual([...TYPES].sort());
  expect(index.match(/^export /gm)).toHaveLength(blocks.length);
});

test('an engine has these methods, and no other', async () => {
  const engine = await keylane.createEngine({ shards: 1 });
  try {
    const own = Object.getOwnPropertyNames(Object.getPrototypeOf(engine)).sort();
    expect(own).toEqual([
      'accounts',
      'batch',
      'batches',
      'cache',
      'close',
      'constructor',
      'destroy',
      'keys',
      'prewarm',
      'result',
      'run',
      'stats',
      'stream',
    ]);
    expect(engine[Symbol.asyncDispose]).toBeTypeOf('function');
    expect(Object.keys(engine)).toEqual([]);
    expect(Object.keys(engine.cache).sort()).toEqual(['clear', 'invalidate', 'list', 'stats']);
  } finally {
    await engine.close();
  }
});

test('an error has its contract as members, and says its name and code', () => {
  const error = new keylane.KeylaneError('ERR_CONNECT', 'no route', { key: 'a', cause: new Error('EHOSTUNREACH') });
  expect(error).toBeInstanceOf(Error);
  expect({ ...error, message: error.message, cause: (error.cause as Error).message }).toEqual({
    name: 'KeylaneError',
    code: 'ERR_CONNECT',
    outcome: 'not_started',
    retryable: true,
    key: 'a',
    message: 'no route',
    cause: 'EHOSTUNREACH',
  });
});

test('a deep import is not possible: only the names above are promised', async () => {
  const deep = 'keylane/dist/src/engine.js';
  await expect(import(/* @vite-ignore */ deep)).rejects.toThrow();
});
