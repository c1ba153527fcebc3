export { checkService, type Finding } from './check.js';
export type { LogLevel, ServiceLogOptions, ServiceOptions, TlsOptions } from './options.js';
export type { ServiceRoute } from './route-table.js';
export { createService, type Service } from './service.js';
