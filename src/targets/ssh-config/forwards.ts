import { BadValue, whole } from './values.js';

/** The end of a forwarding: a port with or without an address, or the path of a socket. */
interface End {
  host?: string;
  port?: number;
  path?: string;
}

/**
 * A forwarding as `ssh -G` prints it: `8080 [db]:5432`, `[localhost]:1080`, `/run/a.sock /run/b.sock`.
 * `socks` is true where nothing is connected to but what the far side asks for. ${NAME} is replaced first.
 */
export function parseForward(
  words: readonly string[],
  kind: 'local' | 'remote' | 'dynamic',
): { text: string; socks: boolean } {
  const [from = '', to] = words;
  const socks = kind === 'dynamic' || (to === undefined && kind === 'remote');
  if (words.length > (socks ? 1 : 2)) throw new BadValue('it takes one argument less');
  if (!socks && (to === undefined || to === '')) throw new BadValue('the second argument is missing: host:port');
  const spec = expandNames(socks ? from : `${from}:${to}`).trimStart();
  const fields = splitFields(spec);
  const ends = fields === undefined ? undefined : socks ? socksEnds(fields) : joinEnds(fields);
  if (ends === undefined) throw new BadValue(`"${spec}" is no forwarding: write [address:]port host:port`);
  const [listen, connect] = ends;
  if (listen.port === 0 && kind !== 'remote') throw new BadValue('a port to listen at is missing');
  const dynamic = kind === 'dynamic' || (kind === 'local' && connect.host === 'socks');
  return { text: dynamic ? show(listen) : `${show(listen)} ${show(connect)}`, socks: dynamic };
}

/** `${NAME}` of the environment. What has no value is a mistake, as it is to ssh. */
export function expandNames(text: string): string {
  return text.replace(/\$\{([^}]*)(\}?)/g, (_all, name: string, close: string) => {
    const value = name === '' ? undefined : process.env[name];
    if (close === '') throw new BadValue(`"$\{${name}" has no closing brace`);
    if (value === undefined)
      throw new BadValue(`the environment has no ${name === '' ? 'variable without a name' : name}`);
    return value;
  });
}

interface Field {
  text: string;
  isPath: boolean;
}

/** Splits at colons; `[…]` keeps them, a backslash keeps what follows. At most four fields. */
function splitFields(spec: string): Field[] | undefined {
  const fields: Field[] = [];
  let rest = spec;
  while (rest !== '') {
    if (fields.length === 4) return undefined;
    const bracketed = /^\[([^\]]*)\](?::|$)/.exec(rest);
    if (bracketed === null && rest.startsWith('[')) return undefined;
    const [all, text] = bracketed ?? /^((?:\\.|[^\\:])*)(?::|$)/s.exec(rest) ?? [];
    if (all === undefined || text === undefined) return undefined;
    const plain = bracketed === null ? text.replace(/\\(.)/gs, '$1') : text;
    fields.push({ text: plain, isPath: text.includes('/') });
    rest = rest.slice(all.length);
  }
  return fields;
}

function socksEnds(fields: readonly Field[]): [End, End] | undefined {
  const [first, second] = fields;
  if (first === undefined || fields.length > 2) return undefined;
  const connect = { host: 'socks', port: 0 };
  if (second === undefined) return [first.isPath ? { path: first.text } : { port: port(first) }, connect];
  return [{ host: first.text, port: port(second) }, connect];
}

function joinEnds(fields: readonly Field[]): [End, End] | undefined {
  const [a, b, c, d] = fields;
  if (a === undefined || b === undefined) return undefined;
  if (d !== undefined && c !== undefined)
    return [
      { host: a.text, port: port(b) },
      { host: c.text, port: port(d, 1) },
    ];
  if (c !== undefined) {
    if (a.isPath) return [{ path: a.text }, { host: b.text, port: port(c, 1) }];
    if (c.isPath) return [{ host: a.text, port: port(b) }, { path: c.text }];
    return [{ port: port(a) }, { host: b.text, port: port(c, 1) }];
  }
  if (!b.isPath) return undefined;
  return [a.isPath ? { path: a.text } : { port: port(a) }, { path: b.text }];
}

function port(field: Field, least = 0): number {
  return whole(field.text, least, 65_535);
}

function show({ host, port: at, path }: End): string {
  if (path !== undefined) return path;
  return host === undefined ? String(at) : `[${host}]:${at}`;
}
