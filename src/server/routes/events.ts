import { z } from 'zod';
import type { LoggedEvent } from '../events.js';
import type { App, Parts, Principal } from '../parts.js';
import { wantsEvents } from '../sse.js';

const eventsQuery = z.strictObject({
  /** The last one that is known: those that came after it. */
  since: z.coerce.number().int().min(0).optional(),
});

/** What the engine told of itself lately, and what it tells from now on. */
export function eventsRoutes(app: App, { events, live }: Parts): void {
  app.get<{ Querystring: z.output<typeof eventsQuery> }>(
    '/v1/events',
    { config: { needs: 'read' }, schema: { querystring: eventsQuery } },
    (request, reply) => {
      const { principal, headers, query } = request;
      if (!wantsEvents(headers.accept)) {
        const seen = events.since(query.since).filter((one) => isSeen(one, principal));
        return reply.send({ events: seen });
      }
      const last = Number(headers['last-event-id'] ?? query.since ?? 0);
      const writer = live.events(reply, { endless: true });
      const tell = (one: LoggedEvent) => {
        if (isSeen(one, principal)) writer.event(one.event.type, JSON.stringify(one), String(one.seq));
      };
      // No event comes between: all of this is one step.
      for (const one of events.since(Number.isInteger(last) ? last : 0)) tell(one);
      const leave = events.hear(tell);
      void writer.closed.then(leave);
      return reply;
    },
  );
}

/** A token that is bound to hosts sees what is told of these, and nothing of the whole service: messages may name others. */
function isSeen({ event }: LoggedEvent, principal: Principal): boolean {
  if (!principal.limited) return true;
  return 'key' in event && event.key !== undefined && principal.seesKey(event.key);
}
