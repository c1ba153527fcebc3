import { KeylaneError } from '../../../src/errors.ts';
import { laneOf } from '../../../src/routing.ts';
import { type Driver, type ExecuteContext, type OpenContext, type Spec, StreamsExceeded } from '../../../src/types.ts';
import { type PeerConnection, type Peers, STREAMS } from './peers.ts';
import type { VirtualThread } from './thread.ts';
import type { World } from './world.ts';

export interface WorldRequest {
  key: string;
  /** Two lanes of a key are two users of a host. */
  user: string;
  number: number;
}

export interface WorldTarget {
  key: string;
  user: string;
}

export const spec: Spec<WorldRequest, number, boolean> = {
  name: 'world',
  parse({ key, user, number }) {
    const target = { key, user };
    return { key, lane: laneOf(key, target), target, request: number };
  },
  ok: (response) => response,
};

/** Speaks to the hosts of a world. As honest as a driver must be, and its hosts as bad as hosts are. */
export function worldDriver(world: World, peers: Peers, thread: VirtualThread): Driver {
  const { clock } = thread;
  const later = (least: number, most: number, call: () => void) => clock.timer(world.delay(least, most), call);

  const open = ({ key, user }: WorldTarget, context: OpenContext): Promise<PeerConnection> => {
    const { refuses, ignores, forbids } = peers.mannersOf(key);
    const open = peers.begin(thread, key);
    return new Promise<PeerConnection>((resolve, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), { once: true });
      if (world.chance(ignores)) {
        world.sometimes.add('a host ignored a connection');
        return;
      }
      const error = world.chance(refuses)
        ? new KeylaneError('ERR_CONNECT', `${key} refused`, { key })
        : world.chance(forbids)
          ? new KeylaneError('ERR_AUTH', `${key} does not know us`, { key })
          : undefined;
      later(0.5, 100, () => {
        if (error) return reject(error);
        if (context.signal.aborted) return;
        resolve(peers.accept(thread, key, `${key} ${user}`, (lost) => context.lost(lost)));
      });
    }).finally(open.end);
  };

  const execute = (connection: PeerConnection, request: number, context: ExecuteContext): Promise<boolean> => {
    const { latency, streams, breaks, hangs, fails } = peers.mannersOf(connection.key);
    const { key } = connection;
    return new Promise((resolve, reject) => {
      const lost = (outcome: 'not_started' | 'unknown') =>
        reject(new KeylaneError('ERR_CONNECTION_LOST', `${key} hung up`, { key, outcome }));
      if (!connection.open) {
        world.sometimes.add('a request met a dead connection');
        lost('not_started');
        return;
      }
      if (connection.streams >= streams) {
        world.sometimes.add('a host allowed fewer streams');
        reject(new StreamsExceeded(streams));
        return;
      }
      connection.streams++;
      let over = false;
      const end = (settle: () => void) => {
        if (over) return;
        over = true;
        connection.streams--;
        settle();
      };
      context.signal.addEventListener('abort', () => {
        // Some drivers answer at once, some take longer than they may.
        later(0.1, world.chance(0.1) ? 10_000 : 500, () => end(() => reject(context.signal.reason as Error)));
      });
      context.sent();
      // The bytes are on their way, whatever becomes of this thread; a broken connection may lose them.
      world.after(world.delay(0.05, 2), () => {
        if (connection.open || world.chance(0.5)) peers.run(request);
      });
      if (world.chance(hangs)) {
        world.sometimes.add('a host never answered');
        return;
      }
      if (world.chance(breaks)) {
        later(0.1, 50, () => {
          const wasOpen = connection.open;
          peers.drop(connection);
          end(() => lost('unknown'));
          if (wasOpen) connection.lost(new Error('broken'));
        });
        return;
      }
      const yes = !world.chance(fails);
      later(2 + latency[0], 2 + latency[1], () => {
        if (!connection.open) {
          end(() => lost('unknown'));
          return;
        }
        if (yes) peers.sayYes(request);
        end(() => resolve(yes));
      });
    });
  };

  return {
    streams: STREAMS,
    open,
    execute,
    check(connection: PeerConnection, withinMs: number) {
      return new Promise((resolve) => {
        const { hangs } = peers.mannersOf(connection.key);
        if (world.chance(hangs)) {
          world.sometimes.add('a host gave no sign of life');
          later(withinMs, withinMs + 1, () => resolve(false));
        } else {
          later(0.5, 20, () => resolve(connection.open));
        }
      });
    },
    reusable: (connection) => (connection as PeerConnection).open,
    close(connection) {
      return new Promise((resolve) => {
        later(0.1, 20, () => {
          peers.drop(connection as PeerConnection);
          resolve();
        });
      });
    },
  } as Driver;
}
