import { z } from 'zod';
import { MOST_SAMPLES } from '../history.js';
import type { LiveWriter } from '../live-writer.js';
import type { ServiceStats } from '../metrics/stats.js';
import { statsFor } from '../metrics/stats-for.js';
import type { App, Parts, Principal } from '../parts.js';
import { wantsEvents } from '../sse.js';

const historyQuery = z.strictObject({
  /** The last so many samples: there is one a second. */
  last: z.coerce.number().int().min(1).max(MOST_SAMPLES).optional(),
});

/** How the service is: now, each second from now on, and over the last minutes. */
export function statsRoutes(app: App, { monitor, live }: Parts): void {
  const watchers = new Watchers((call) => monitor.hear(call));
  app.get('/v1/stats', { config: { needs: 'read' } }, async (request, reply) => {
    if (!wantsEvents(request.headers.accept)) return statsFor(request.principal, await monitor.stats());
    watchers.join(live.events(reply, { endless: true }), request.principal, monitor.last);
    return reply;
  });
  app.get<{ Querystring: z.output<typeof historyQuery> }>(
    '/v1/stats/history',
    { config: { needs: 'read' }, schema: { querystring: historyQuery } },
    (request, reply) => reply.send(monitor.history(request.query.last)),
  );
}

/** Who is told each second. What they are told is written once, and once for each token that sees less than all. */
class Watchers {
  readonly #hear: (call: (stats: ServiceStats) => void) => () => void;
  readonly #writers = new Map<Principal, Set<LiveWriter>>();
  #leave: (() => void) | undefined = undefined;

  constructor(hear: (call: (stats: ServiceStats) => void) => () => void) {
    this.#hear = hear;
  }

  /** `last`: to begin with, so that nobody looks at nothing for a second. */
  join(writer: LiveWriter, principal: Principal, last: ServiceStats | undefined): void {
    if (last) writer.event('stats', JSON.stringify(statsFor(principal, last)));
    const writers = this.#writers.get(principal) ?? new Set();
    this.#writers.set(principal, writers.add(writer));
    this.#leave ??= this.#hear((stats) => this.#tell(stats));
    void writer.closed.then(() => {
      writers.delete(writer);
      if (writers.size === 0 && this.#writers.get(principal) === writers) this.#writers.delete(principal);
      if (this.#writers.size > 0) return;
      this.#leave?.();
      this.#leave = undefined;
    });
  }

  #tell(stats: ServiceStats): void {
    let whole: string | undefined;
    for (const [principal, writers] of this.#writers) {
      const own = principal.limited ? JSON.stringify(statsFor(principal, stats)) : undefined;
      if (own === undefined) whole ??= JSON.stringify(stats);
      const data = own ?? (whole as string);
      for (const writer of writers) writer.event('stats', data);
    }
  }
}
