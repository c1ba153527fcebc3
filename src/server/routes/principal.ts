import type { App, Needs, Principal } from '../parts.js';

/** Whose token this is, and what it may do: for whoever shows only what can be done. */
export function principalRoutes(app: App): void {
  app.get('/v1/principal', { config: { needs: 'read' } }, ({ principal }) => ({
    name: principal.name,
    read: true,
    run: may(principal, 'run'),
    admin: may(principal, 'admin'),
  }));
}

function may(principal: Principal, needs: Needs): boolean {
  try {
    principal.check(needs);
    return true;
  } catch {
    return false;
  }
}
