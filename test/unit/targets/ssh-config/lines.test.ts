import { describe, expect, it } from 'vitest';
import { splitKeyword, splitWords } from '../../../../src/targets/ssh-config/words.js';
import { errorOf, resolved } from './scratch.js';

describe('a line of ssh_config', () => {
  it('is a keyword, white space or one "=", and arguments; capitals do not matter', () => {
    for (const line of [
      'Port 7',
      'PORT=7',
      'port = 7',
      '\t Port\t=7',
      '"Port" 7',
      'Port 7 # why',
      'Port "7"',
      'Port 7\r',
    ])
      expect(resolved(`${line}\n`).port, line).toBe(7);
    expect(errorOf(() => resolved('Port == 7\n'))).toMatch(/^ERR_CONFIG .*:1: Port: /);
  });

  it('says nothing where it is empty, a comment, or opens a quote in its keyword and leaves it open', () => {
    for (const line of ['', '   ', '# Port 1', ' \t# Port 1', '"Port 1', 'Po"rt 1'])
      expect(splitKeyword(line), line).toBeUndefined();
  });

  it('is split at spaces, but for quotes of both kinds and what a backslash takes', () => {
    const words = {
      'a  b': ['a', 'b'],
      '"a b" \'c d\'': ['a b', 'c d'],
      'a"b c"d': ['ab cd'],
      '"a\\"b" \'c\\\'d\' e\\ f \\g "h\\ i"': ['a"b', "c'd", 'e f', '\\g', 'h\\ i'],
      'a#b #c d': ['a#b'],
      '"" b': ['', 'b'],
    };
    for (const [text, expected] of Object.entries(words)) expect(splitWords(text), text).toEqual(expected);
    expect(splitWords('a "b')).toBeUndefined();
  });

  it('keeps the quotes of a command as they are', () => {
    expect(resolved('ProxyCommand = sh -c "a  b" # c\n').proxyCommand).toBe('sh -c "a  b" # c');
  });

  it('is refused with file, line and directive where its value is wrong, in blocks for other hosts too', () => {
    const wrong: Record<string, RegExp> = {
      'Port 0': /Port: "0" is no whole number from 1 to 65535/,
      Port: /port: the argument is missing/,
      'User a b': /User: "b" is one argument too many/,
      'User ""': /User: the argument is missing/,
      'ConnectTimeout 5q': /ConnectTimeout: "5q" is no time/,
      'StrictHostKeyChecking perhaps': /StrictHostKeyChecking: "perhaps" is none of/,
      'Ciphers aes128-ctr,rot13': /Ciphers: no cipher is called "rot13": ssh -Q cipher/,
      'IdentityFile "x': /identityfile: a quote is not closed/,
      'ProxyJump a b': /ProxyJump: "a b" is no host to jump through/,
      'ProxyJump a;reboot': /ProxyJump: "a;reboot" is no host/,
      'LocalForward 80': /LocalForward: the second argument is missing/,
      'SetEnv A': /SetEnv: "A" is no assignment/,
      'Include ""': /include: the argument is missing/,
    };
    for (const [line, message] of Object.entries(wrong)) {
      const error = errorOf(() => resolved(`Host other\n\n${line}\n`));
      expect(error).toMatch(/^ERR_CONFIG \/.*\/config:3: /);
      expect(error).toMatch(message);
    }
  });

  it('is refused where nobody knows its keyword, unless an IgnoreUnknown in force stands before it', () => {
    expect(errorOf(() => resolved('Frobnicate yes\n'))).toMatch(
      /^ERR_CONFIG .*config:1: frobnicate: ssh has no such option/,
    );
    expect(resolved('IgnoreUnknown frob*,x\nFrobnicate yes\nUser a\n').user).toBe('a');
    for (const text of [
      'Frobnicate yes\nIgnoreUnknown frob*\n',
      'Host other\nIgnoreUnknown frob*\nHost *\nFrobnicate yes\n',
    ])
      expect(errorOf(() => resolved(text))).toMatch(/ERR_CONFIG .*frobnicate/);
  });

  it('shows no control characters of the file in an error', () => {
    expect(errorOf(() => resolved('User a \u001b[31mred\n'))).toMatch(/User: "\?\[31mred" is one/);
  });

  it('of Match is refused where old and new versions of ssh read it with another meaning', () => {
    expect(errorOf(() => resolved("Match host 'h'\n"))).toMatch(/^ERR_CONFIG_UNSUPPORTED .*:1: Match: versions of ssh/);
    expect(resolved('Match host="h" user = "me"\nUser a\n').user).toBe('a');
  });
});
