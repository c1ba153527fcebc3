import { KeylaneError, systemClock } from 'keylane';

/** A host of fixed latency with a capacity that it does not tell. */
export interface CrowdedRequest {
  key: string;
  ms: number;
  /** So many at once. Past it the host thrashes: with twice as many, half as many answers a second. @default no bound */
  room?: number;
  /** Nobody can connect. */
  refuses?: boolean;
}

declare module 'keylane' {
  interface Drivers {
    crowded: { request: CrowdedRequest; response: null };
  }
}

interface Order {
  ms: number;
  room: number;
}

interface Target {
  key: string;
  refuses: boolean;
}

/** A driver of our own, without a socket: see docs/drivers.md. */
export const spec = {
  name: 'crowded',
  parse({ key, ms, room = Number.POSITIVE_INFINITY, refuses = false }: CrowdedRequest) {
    const target: Target = { key, refuses };
    return { key, lane: `${key} ${refuses}`, target, request: { ms, room } satisfies Order };
  },
  ok: () => true,
};

interface Host {
  inside: number;
}

export function load() {
  const hosts = new Map<string, Host>();
  return Promise.resolve({
    streams: 10_000,

    async open({ key, refuses }: Target): Promise<Host> {
      if (refuses) throw new KeylaneError('ERR_CONNECT', 'connection refused');
      const host = hosts.get(key) ?? { inside: 0 };
      hosts.set(key, host);
      return await Promise.resolve(host);
    },

    execute(host: Host, { ms, room }: Order, context: { sent(): void }): Promise<null> {
      context.sent();
      host.inside++;
      const crowd = Math.max(1, host.inside / room) ** 2;
      return new Promise((resolve) => {
        systemClock.timer(crowd * ms, () => {
          host.inside--;
          resolve(null);
        });
      });
    },

    reusable: () => true,
    close: () => undefined,
  });
}
