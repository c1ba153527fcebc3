import { Api, inWords, Problem } from './api.js';
import { byId, setText, show } from './dom.js';
import { forgetToken, savedToken, saveToken } from './session.js';
import type { Principal } from './shapes.js';

/** Asks for a token until one is taken. `why`: what is said first. */
export async function signIn(why = ''): Promise<{ api: Api; principal: Principal }> {
  const saved = savedToken();
  if (saved !== undefined && why === '') {
    const tried = await attempt(saved);
    if ('api' in tried) return tried;
    // A service that is away says nothing of the token.
    if (tried.isRefused) forgetToken();
    why = tried.says;
  }
  const form = byId('sign-in-form', HTMLFormElement);
  const field = byId('token', HTMLInputElement);
  const error = byId('token-error');
  const button = form.querySelector('button')!;
  show(byId('sign-in'), true);
  setText(error, why);
  field.focus();
  for (;;) {
    await submitted(form);
    const token = field.value.trim();
    button.disabled = true;
    setText(error, '');
    const tried = await attempt(token);
    button.disabled = false;
    if ('api' in tried) {
      saveToken(token);
      field.value = '';
      show(byId('sign-in'), false);
      return tried;
    }
    setText(error, tried.says);
    field.setAttribute('aria-invalid', 'true');
    field.select();
  }
}

async function attempt(
  token: string,
): Promise<{ api: Api; principal: Principal } | { says: string; isRefused: boolean }> {
  // What a header cannot hold is no token.
  if (!/^[\x21-\x7e]+$/.test(token))
    return { says: 'That is no token: it has characters that no token has.', isRefused: true };
  const api = new Api(token);
  try {
    const principal = await api.json<Principal>('/v1/principal');
    return { api, principal };
  } catch (error) {
    const isRefused = error instanceof Problem && (error.status === 401 || error.status === 403);
    if (error instanceof Problem && error.status === 401)
      return { says: 'The service does not know this token.', isRefused };
    if (error instanceof Problem && error.status === 403)
      return { says: `This token may not read the service's figures: ${error.message}`, isRefused };
    return { says: `${inWords(error)}. Try again.`, isRefused };
  }
}

function submitted(form: HTMLFormElement): Promise<void> {
  return new Promise((resolve) => {
    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault();
        resolve();
      },
      { once: true },
    );
  });
}
