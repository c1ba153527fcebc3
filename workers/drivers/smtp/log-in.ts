import { KeylaneError } from '../../../src/errors.js';
import type { SmtpTarget } from '../../../src/specs/smtp.js';
import type { OpenContext } from '../../../src/types.js';
import { printable } from '../../../src/util/printable.js';
import type { Client } from './client.js';
import { notSmtp } from './open-errors.js';
import { replyOf, told } from './reply.js';

type Mechanism = 'PLAIN' | 'LOGIN' | 'XOAUTH2' | 'OAUTHBEARER';

/** A mechanism's messages: the first goes with AUTH where it has `initial`, the others answer what the server asks. */
interface Dialogue {
  initial?: string;
  answers: readonly string[];
}

const PASSWORD_MECHANISMS = ['PLAIN', 'LOGIN'] as const;
const TOKEN_MECHANISMS = ['OAUTHBEARER', 'XOAUTH2'] as const;

/** Logs in with the password, or with the account's access token; with another once, where the server takes the first for old. */
export async function logIn(client: Client, target: SmtpTarget, ask: OpenContext['ask']): Promise<void> {
  const { account, password, key } = target;
  if (account === undefined && password === undefined) return;
  const mechanism = mechanismFor(client.ehlo, target);
  if (password !== undefined) {
    const secret = await client.step(ask('secret', password));
    const refusal = await attempt(client, mechanism, target, secret);
    if (refusal === undefined) return;
    const message = `${key} refused the log-in of ${target.user ?? ''} by ${mechanism}: ${refusal}; look at user and password`;
    throw new KeylaneError('ERR_AUTH', message, { key });
  }
  const name = account as string;
  const first = await client.step(ask('token', { account: name }));
  let refusal = await attempt(client, mechanism, target, first.accessToken);
  if (refusal === undefined) return;
  const second = await client.step(ask('token', { account: name, rejected: first.accessToken }));
  if (second.accessToken !== first.accessToken) {
    refusal = await attempt(client, mechanism, target, second.accessToken);
    if (refusal === undefined) return;
  }
  const message =
    `${key} refused a new access token of the account ${name} by ${mechanism}: ${refusal}; authorize the account anew, ` +
    'with a scope that may send mail';
  throw new KeylaneError('ERR_AUTH_EXPIRED', message, { key });
}

function mechanismFor(ehlo: readonly string[], { key, auth, password, tls }: SmtpTarget): Mechanism {
  const offered = new Set<string>();
  for (const line of ehlo) {
    const list = /^AUTH[ =](.*)$/i.exec(line)?.[1];
    for (const name of list?.toUpperCase().split(/[ =]+/) ?? []) if (name !== '') offered.add(name);
  }
  const wanted = auth?.toUpperCase() as Mechanism | undefined;
  const usable = password === undefined ? TOKEN_MECHANISMS : PASSWORD_MECHANISMS;
  const mechanism = (wanted === undefined ? usable : [wanted]).find((name) => offered.has(name));
  if (mechanism) return mechanism;
  const what = wanted ?? usable.join(' and ');
  const has = offered.size > 0 ? `offers ${printable([...offered].join(', '), 200)}` : 'offers no log-in';
  const hint = tls === 'none' ? "; many servers offer it with TLS only: `tls: 'starttls'`" : '';
  throw new KeylaneError('ERR_AUTH', `${key} ${has}, and not ${what}${hint}`, { key });
}

/** What the server said where it refused us; undefined where we are in. */
async function attempt(
  client: Client,
  mechanism: Mechanism,
  target: SmtpTarget,
  secret: string,
): Promise<string | undefined> {
  const { key } = target;
  const { initial, answers } = dialogueOf(mechanism, target, secret);
  const hide = hider(secret, initial, answers);
  let text = await client.ask(initial === undefined ? `AUTH ${mechanism}` : `AUTH ${mechanism} ${initial}`);
  // A server that asks on and on is not answered for ever.
  for (let asked = 0; ; asked++) {
    const reply = replyOf(hide(text));
    if (!reply) throw notSmtp(key, 'AUTH', `it said \`${printable(hide(text), 100)}\``);
    // 235 by RFC 4954; postfix's smtp-sink says 250.
    if (reply.code < 300) return undefined;
    if (reply.code === 334 && asked < answers.length) {
      text = await client.ask(answers[asked] as string);
      continue;
    }
    if (reply.code === 334) throw notSmtp(key, 'AUTH', `it asks on in ${mechanism}`);
    if (reply.code < 400) throw notSmtp(key, 'AUTH', `it said \`${told(reply)}\``);
    if (reply.code >= 500) return told(reply);
    throw new KeylaneError('ERR_CONNECT', `${key} takes no log-in now: ${told(reply)}; it may do so later`, { key });
  }
}

/** RFC 4616, RFC 7628, and Google's and Microsoft's pages on LOGIN and XOAUTH2. */
function dialogueOf(mechanism: Mechanism, { user = '', host, port }: SmtpTarget, secret: string): Dialogue {
  switch (mechanism) {
    case 'PLAIN':
      return { initial: base64(`\0${user}\0${secret}`), answers: [] };
    case 'LOGIN':
      return { answers: [base64(user), base64(secret)] };
    // Both servers tell of their error in a question first, which wants an empty answer before the reply comes.
    case 'XOAUTH2':
      return { initial: base64(`user=${user}\x01auth=Bearer ${secret}\x01\x01`), answers: [''] };
    case 'OAUTHBEARER': {
      const name = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
      const about = `host=${host}\x01port=${port}\x01auth=Bearer ${secret}`;
      return { initial: base64(`n,a=${name},\x01${about}\x01\x01`), answers: [base64('\x01')] };
    }
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** A server may repeat what it was told; no message of ours does. */
function hider(secret: string, initial: string | undefined, answers: readonly string[]): (text: string) => string {
  const secrets = [initial, ...answers, secret, base64(secret)].filter((one) => one !== undefined && one.length > 3);
  return (text) => secrets.reduce<string>((left, one) => left.replaceAll(one as string, '***'), text);
}
