import { z } from 'zod';
import type { App, Parts } from '../parts.js';
import { LOG_LEVELS } from '../section.js';

const levelBody = z.strictObject({ level: z.enum(LOG_LEVELS) });

/** The level of the log, while the service runs. */
export function logLevelRoutes(app: App, { serviceLog }: Parts): void {
  app.get('/v1/log-level', { config: { needs: 'admin' } }, () => ({ level: serviceLog.level }));
  app.put('/v1/log-level', { config: { needs: 'admin' }, schema: { body: levelBody } }, ({ body }) => {
    serviceLog.level = (body as z.output<typeof levelBody>).level;
    return { level: serviceLog.level };
  });
}
