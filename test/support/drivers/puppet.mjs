// A driver that does what its request says. See PuppetRequest in own.ts.
import { KeylaneError, StreamsExceeded, systemClock } from 'keylane';

export const spec = {
  name: 'puppet',
  parse(input) {
    const { key, lane = '', streams = 10, exactLane, via, open, close, reusable, run, payload } = input;
    if (typeof key !== 'string') throw new KeylaneError('ERR_INPUT', '`key` must be a string');
    const target = { streams, via, open, close, reusable };
    const own = exactLane ?? `${key} ${lane} ${JSON.stringify(target)}`;
    return { key, lane: own, target, request: { run, payload } };
  },
  ok({ payload }) {
    if (payload === 'unreadable') throw new Error('thrown by ok');
    return true;
  },
};

const seen = {
  opens: 0,
  openingNow: 0,
  mostOpening: 0,
  open: 0,
  mostOpen: 0,
  closes: 0,
  runningNow: 0,
  mostRunning: 0,
};
const never = new Promise(() => {});
const after = (ms) => new Promise((resolve) => systemClock.timer(ms, resolve));

export async function load() {
  return { streams: 10, open, execute, reusable, close };
}

function open(target, context) {
  seen.opens++;
  const connection = { ...target, number: seen.opens, context, leased: 0, open: true };
  switch (target.open) {
    case 'never':
      return never;
    case 'throw':
      throw new Error('thrown by open');
    case 'reject':
      return Promise.reject(new Error('rejected by open'));
    case 'auth':
      return Promise.reject(new KeylaneError('ERR_AUTH', 'go away'));
    case 'bare':
      return opened(connection);
    default:
      return target.via ? through(connection, context) : opening(connection, target.open);
  }
}

/** As a jump host is used: for as long as the connection lives. */
async function through(connection, context) {
  connection.lease = await context.lease({ streams: 10 });
  return opening(connection);
}

async function opening(connection, ms) {
  seen.openingNow++;
  seen.mostOpening = Math.max(seen.mostOpening, seen.openingNow);
  if (ms !== undefined) await after(ms);
  seen.openingNow--;
  return opened(connection);
}

function opened(connection) {
  seen.open++;
  seen.mostOpen = Math.max(seen.mostOpen, seen.open);
  return connection;
}

async function running(connection, work) {
  seen.runningNow++;
  seen.mostRunning = Math.max(seen.mostRunning, seen.runningNow);
  connection.leased++;
  try {
    return await work();
  } finally {
    connection.leased--;
    seen.runningNow--;
  }
}

function execute(connection, { run, payload }, context) {
  const answer = { payload, connection: connection.number };
  switch (run) {
    case 'hang':
    case 'hang-unsent':
      if (run === 'hang') context.sent();
      return running(connection, () => aborted(context.signal));
    case 'deaf':
      context.sent();
      return never;
    case 'throw':
      throw new Error('thrown by execute');
    case 'throw-undefined':
      throw undefined;
    case 'reject':
      context.sent();
      return Promise.reject(new Error('rejected by execute'));
    case 'cycle':
      answer.payload = answer;
      return answer;
    case 'getter':
      return {
        get payload() {
          throw new Error('thrown by a getter');
        },
      };
    case 'lost':
      context.sent();
      connection.context.lost(new Error('lost'));
      return Promise.reject(new KeylaneError('ERR_CONNECTION_LOST', 'lost while running'));
    case 'drop':
      context.sent();
      setImmediate(() => connection.context.lost(new Error('lost while idle')));
      return answer;
    case 'exceed':
      if (connection.leased > 0) throw new StreamsExceeded(1);
      context.sent();
      return running(connection, async () => {
        await after(1);
        return answer;
      });
    case 'burn':
      context.sent();
      for (const until = performance.now() + payload; performance.now() < until; );
      return answer;
    case 'seen':
      return { seen: { ...seen } };
    default:
      context.sent();
      if (run === undefined) return answer;
      return running(connection, async () => {
        await after(run);
        return answer;
      });
  }
}

function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

function reusable(connection) {
  if (connection.reusable === 'throw') throw new Error('thrown by reusable');
  return connection.reusable !== 'no';
}

function close(connection) {
  seen.open--;
  seen.closes++;
  if (connection.close !== 'forget') connection.lease?.release();
  switch (connection.close) {
    case 'never':
      return never;
    case 'throw':
      throw new Error('thrown by close');
    case 'reject':
      return Promise.reject(new Error('rejected by close'));
    case 'crash-in':
    case 'crash-after':
      setImmediate(() => {
        throw new Error('thrown after close');
      });
      return connection.close === 'crash-in' ? never : undefined;
    default:
      return undefined;
  }
}
