import { Session } from 'node:inspector';

/** The packages of which this thread has loaded a script, however it was imported; each once. */
export function packages() {
  const names = new Set();
  const session = new Session();
  session.connect();
  // The debugger tells of all scripts that there are when it is switched on, before `post` returns.
  session.on('Debugger.scriptParsed', ({ params }) => {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(params.url)?.[1];
    if (name !== undefined) names.add(name);
  });
  session.post('Debugger.enable');
  session.disconnect();
  return [...names].sort();
}
