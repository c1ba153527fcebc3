export { checkService, type Finding } from './check.js';
export type { ServiceLogOptions, ServiceOptions } from './options.js';
export type { ServiceRoute } from './route-table.js';
export type { LogLevel, LogSection, ServeSection, TlsOptions } from './section.js';
export { createService, type Service } from './service.js';
