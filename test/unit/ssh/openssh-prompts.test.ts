import { expect, test } from 'vitest';
import { readPrompt } from '../../../workers/drivers/ssh/openssh/prompts.js';

const long = `/home/me/${'long/'.repeat(30)}key`;
const about = { user: 'me', host: 'web-17', name: '[web-17]:2222', identities: ['/home/me/.ssh/key', long] };
const question = (host: string, end = '(yes/no/[fingerprint])? ') =>
  `The authenticity of host '${host} (192.0.2.1)' can't be established.\n` +
  'ED25519 key fingerprint is SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s.\n' +
  `This key is not known by any other names.\nAre you sure you want to continue connecting ${end}`;

test.each([
  ["Enter passphrase for key '/home/me/.ssh/key': ", { asks: 'passphrase', path: '/home/me/.ssh/key' }],
  [`Enter passphrase for key '${long.slice(0, 100)}': `, { asks: 'passphrase', path: long }],
  ["me@web-17's password: ", { asks: 'password', by: 'password' }],
  ['(me@web-17) Password: ', { asks: 'password', by: 'keyboard-interactive' }],
  ['(me@web-17) Password for me@web-17.lan:', { asks: 'password', by: 'keyboard-interactive' }],
  [
    question('[web-17]:2222'),
    {
      asks: 'host key',
      name: '[web-17]:2222',
      type: 'ssh-ed25519',
      fingerprint: 'SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s',
    },
  ],
])('what ssh asks for is known: %j', (text, prompt) => {
  expect(readPrompt(text, about)).toEqual(prompt);
});

test.each([
  "Enter passphrase for key '/home/me/.ssh/other': ",
  "(me@web-17) Enter passphrase for key '/home/me/.ssh/key': ",
  "Enter passphrase for key '/home/me/.ssh/key': ': ",
  "me@web-18's password: ",
  "root@web-17's password: ",
  "me@web-17's old password: ",
  "(me@web-17) me@bank's pass word: ",
  '(me@web-17) One-time password: ',
  '(me@web-17) New password: ',
  '(me@web-17) Verification code: ',
  '(me@web-18) Password: ',
  'Password: ',
  `(me@web-17) ${question('[web-17]:2222')}`,
  question('web-17'),
  question('[web-17]:2222', '(yes/no)? '),
  "Please type 'yes', 'no' or the fingerprint: ",
  'Enter PIN for ED25519-SK key /home/me/.ssh/key: ',
  '',
])('anything else is not: %j', (text) => {
  expect(readPrompt(text, about)).toBeUndefined();
});

test('the question of OpenSSH 10 is known too', () => {
  const text =
    "The authenticity of host '[web-17]:2222 (192.0.2.1)' can't be established\n" +
    'but keys of different type are already known for this host.\n' +
    'ED25519-SK key fingerprint is: SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s\n' +
    'This key is not known by any other names.\n' +
    'Are you sure you want to continue connecting (yes/no/[fingerprint])? ';
  expect(readPrompt(text, about)).toEqual({
    asks: 'host key',
    name: '[web-17]:2222',
    type: 'sk-ssh-ed25519@openssh.com',
    fingerprint: 'SHA256:yLvkmNNR/pQ89SxvkaYqHo919/4yUQKAmGbGHJwLd1s',
  });
});
