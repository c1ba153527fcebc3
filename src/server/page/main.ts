import { type Api, inWords } from './api.js';
import { Batches } from './batches.js';
import { Breakers } from './breakers.js';
import { Charts } from './charts.js';
import { ConnectionStates } from './connections.js';
import { byId, setText, show } from './dom.js';
import { Events } from './events.js';
import { type FeedState, follow } from './feed.js';
import { clockTime, span } from './figures.js';
import { HotKeys } from './hot-keys.js';
import { Overview } from './overview.js';
import { RunForm } from './run-form.js';
import { forgetToken, saidLastTime, sayNextTime } from './session.js';
import type { History, LoggedEvent, Principal, Stats } from './shapes.js';
import { Shards } from './shards.js';
import { signIn } from './sign-in.js';

/** The service tells its figures each second. */
const SILENT_MS = 5_000;
/** And of events only when there is one; between them it sends a comment now and then. */
const SILENT_EVENTS_MS = 60_000;

void main();

/** Sign in, show, until signed out; then from the beginning: whatever was shown goes with the token. */
async function main(): Promise<void> {
  const { api, principal } = await signIn(saidLastTime());
  const session = new AbortController();
  const leave = (why: string) => {
    forgetToken();
    session.abort();
    sayNextTime(why);
    location.reload();
  };
  api.onUnauthenticated = () => leave('The service no longer takes this token.');
  byId('sign-out').addEventListener('click', () => leave(''), { once: true });
  showWho(principal);
  for (const id of ['panels', 'jump', 'sign-out', 'who']) show(byId(id), true);
  new RunForm(api, principal, session.signal);
  new Batches(api, principal, session.signal);
  watch(api, session.signal);
}

function showWho({ name, run, admin }: Principal): void {
  setText(byId('who'), `${name}${admin ? '' : run ? ' · may run' : ' · read-only'}`);
}

function watch(api: Api, signal: AbortSignal): void {
  const overview = new Overview();
  const charts = new Charts();
  const shards = new Shards();
  const connections = new ConnectionStates();
  const keys = new HotKeys();
  const events = new Events();
  const breakers = new Breakers(api, signal);

  let shownAt = 0;

  const showStats = (stats: Stats) => {
    shownAt = stats.at;
    setText(byId('about'), `${stats.version} · up ${span(stats.uptimeMs)}`);
    charts.add(stats);
    if (document.hidden) return;
    for (const part of [overview, shards, connections, keys]) part.update(stats);
    breakers.update(stats.engine.shards.reduce((sum, { inside }) => sum + (inside?.stopped ?? 0), 0));
  };
  const showLink = (state: FeedState) => {
    const link = byId('link');
    link.dataset.state = state.state;
    // Counting down is for the eye: what is read out is said once.
    const words = { live: 'live', connecting: 'connecting…', waiting: 'not connected' };
    const isWaiting = state.state === 'waiting';
    setText(byId('link-text'), isWaiting ? `${words.waiting}: ${state.why}` : words[state.state]);
    const again = isWaiting && state.seconds > 0 ? `again in ${state.seconds} s` : '';
    // What is shown is old from here on.
    const asOf = isWaiting && shownAt > 0 ? `the figures are of ${clockTime(shownAt)}` : '';
    setText(byId('link-wait'), [again, asOf].filter(Boolean).join(' · '));
  };
  const fail = (error: unknown) => {
    if (signal.aborted) return;
    showLink({ state: 'waiting', seconds: 0, why: inWords(error) });
  };

  /** What is now, and what was before: the first event comes only with the next second. */
  const begin = async () => {
    const [history, stats] = await Promise.all([
      api.json<History>('/v1/stats/history', { signal }),
      api.json<Stats>('/v1/stats', { signal }),
    ]);
    charts.begin(history);
    showStats(stats);
  };
  let isBehind = true;
  void follow(api, '/v1/stats', {
    signal,
    silentMs: SILENT_MS,
    onState: (state) => {
      // After a break the service has what was missed.
      if (state.state === 'waiting') isBehind = true;
      if (state.state === 'live' && isBehind) {
        isBehind = false;
        // Where it cannot be had, the next event tells.
        begin().catch(() => {});
      }
      showLink(state);
    },
    onEvent: ({ data }) => {
      showStats(JSON.parse(data) as Stats);
      return false;
    },
  }).catch(fail);
  void follow(api, '/v1/events', {
    signal,
    silentMs: SILENT_EVENTS_MS,
    onState: () => {},
    onEvent: ({ data }) => {
      events.add(JSON.parse(data) as LoggedEvent);
      return false;
    },
  }).catch(fail);
}
