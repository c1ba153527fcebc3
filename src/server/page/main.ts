import { Batches } from './batches.js';
import { byId, setText, show } from './dom.js';
import { RunForm } from './run-form.js';
import { forgetToken, saidLastTime, sayNextTime } from './session.js';
import type { Principal } from './shapes.js';
import { signIn } from './sign-in.js';
import { watch } from './watch.js';

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
