// Imports point one way. The rules as data, and what breaks them; `node scripts/imports.mjs` tells of the present files.
// A path that ends in `/` stands for a folder, any other for one file.
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const BASE = [
  'src/types.ts',
  'src/batch-types.ts',
  'src/batch-options.ts',
  'src/echo-types.ts',
  'src/ssh-types.ts',
  'src/smtp-types.ts',
  'src/stdio-types.ts',
  'src/http-types.ts',
  'src/errors.ts',
  'src/events.ts',
  'src/routing.ts',
  'src/util/',
];

/** The first rule that has the file counts. `types` may be imported as types only: what is gone at run time. */
export const RULES = [
  { files: BASE, may: BASE },
  { files: ['src/wire/'], may: [...BASE, 'src/wire/'] },
  // What ssh_config says of a host is a part of what a request for it means.
  { files: ['src/specs/'], may: [...BASE, 'src/specs/', 'src/targets/ssh-config/'] },
  // What a command printed is kept in the data directory, as files of its own.
  {
    files: ['src/targets/inventory/'],
    may: [...BASE, 'src/targets/', 'src/store/data-dir.ts', 'src/store/directory.ts'],
  },
  { files: ['src/targets/'], may: [...BASE, 'src/targets/'] },
  { files: ['src/host/'], may: [...BASE, 'src/wire/', 'src/host/', 'src/call.ts', 'src/admission.ts'] },
  { files: ['src/store/'], may: [...BASE, 'src/store/'] },
  { files: ['src/report/'], may: [...BASE, 'src/report/', 'src/store/'] },
  { files: ['src/cache/'], may: [...BASE, 'src/wire/', 'src/cache/', 'src/store/', 'src/report/', 'src/call.ts'] },
  { files: ['src/tokens/'], may: [...BASE, 'src/tokens/'], types: ['src/accounts/account.ts', 'src/host/secret.ts'] },
  { files: ['src/adaptive/'], may: [...BASE, 'src/adaptive/'] },
  // What is read is checked as far as specs and calls can tell without an engine, and copied into the data directory.
  {
    files: ['src/batch/input/'],
    may: [
      ...BASE,
      'src/batch/input/',
      'src/call-options.ts',
      'src/specs/request-check.ts',
      'src/store/directory.ts',
      'src/store/trouble.ts',
    ],
  },
  {
    files: ['src/batch/'],
    may: [
      ...BASE,
      'src/batch/',
      'src/store/',
      'src/adaptive/',
      'src/call.ts',
      'src/call-options.ts',
      'src/retry-budget.ts',
      'src/tries.ts',
      'src/batch-types.ts',
      'src/targets/fold.ts',
    ],
    types: ['src/engine.ts', 'src/cache/', 'src/meter.ts'],
  },
  { files: ['src/cli/'], may: ['src/cli/', 'src/index.ts', 'src/server/index.ts', 'src/client/index.ts'] },
  // What the browser loads knows the service by its API only.
  { files: ['src/server/page/'], may: ['src/server/page/'] },
  // As any user would, with the tools that everybody has.
  { files: ['src/server/'], may: ['src/server/', 'src/index.ts', 'src/util/'], not: ['src/server/page/'] },
  // A program that talks to a service loads no engine; options are refused by the same words in both.
  {
    files: ['src/client/'],
    may: [...BASE, 'src/call-options.ts', 'src/client/'],
    types: ['src/index.ts', 'src/server/'],
  },
  // What keylane.yaml says of the service is checked with the rest of it, by the service's own schema.
  {
    files: ['src/config/schema.ts', 'src/config/types.ts'],
    may: ['src/'],
    not: ['src/cli/', 'src/client/'],
  },
  { files: ['src/'], may: ['src/'], not: ['src/cli/', 'src/server/', 'src/client/'] },
  // A driver knows its own folder (`*`) and, of its spec, the types of what it is given.
  {
    files: ['workers/drivers/*/'],
    may: [...BASE, 'workers/drivers/*/'],
    types: ['src/specs/'],
  },
  // What a pattern names is the same in every shard and on disk.
  { files: ['workers/'], may: [...BASE, 'src/wire/', 'src/cache/pattern.ts', 'src/cache/ttl.ts', 'workers/'] },
  // The pool and what is counted of each request are not public, and their speed is promised.
  {
    files: [
      'load/idle-pools.ts',
      'load/scenarios/pool-acquire.ts',
      'load/scenarios/pool-idle.ts',
      'load/scenarios/top-keys.ts',
    ],
    may: ['load/', 'src/index.ts', 'src/types.ts', 'src/util/', 'workers/'],
  },
  // What is measured is no request's part alone, and not public.
  { files: ['load/scenarios/ssh-config.ts'], may: ['load/', 'src/targets/ssh-config/', 'src/util/'] },
  // The fault proxy and its seeds are the tests' own.
  {
    files: [
      'load/mixed.ts',
      'load/soak/fleet.ts',
      'load/soak.ts',
      'load/programs/soak-engine.ts',
      'load/programs/soak-work.ts',
    ],
    may: ['load/', 'src/index.ts', 'test/support/'],
  },
  { files: ['load/'], may: ['load/', 'src/index.ts'] },
];

/** Who may import which package, in src and workers. One that is not here may be imported by nobody. */
export const PACKAGES = {
  '@opentelemetry/api': ['src/server/tracing.ts'],
  commander: ['src/cli/'],
  'csv-parse': ['src/util/csv.ts'],
  fastify: ['src/server/'],
  lmdb: ['src/store/environment.ts'],
  'lru-cache': ['workers/cache.ts'],
  msgpackr: ['src/wire/codec.ts'],
  nodemailer: ['workers/drivers/smtp/'],
  'openid-client': ['src/tokens/oauth.ts'],
  pino: ['src/server/'],
  piscina: ['src/host/shard-thread.ts'],
  ssh2: ['workers/drivers/ssh/'],
  undici: ['workers/drivers/http/'],
  yaml: ['src/util/yaml.ts'],
  zod: [
    'src/config/schema.ts',
    'src/config/variables.ts',
    'src/specs/',
    'src/targets/inventory/schema.ts',
    'src/options.ts',
    'src/accounts/schema.ts',
    'src/server/',
    'src/util/check.ts',
  ],
};

/**
 * What breaks the rules, one line each. `files`: path from the root → source text.
 * @param {Record<string, string>} files
 * @returns {string[]}
 */
export function violations(files) {
  return Object.entries(files).flatMap(([file, text]) =>
    importsOf(text).flatMap(({ from, typeOnly }) => {
      const why = from.startsWith('.') ? wrongFile(file, target(file, from), typeOnly) : wrongPackage(file, from);
      return why === undefined ? [] : [`${file} imports ${from}: ${why}`];
    }),
  );
}

/** The sources that the rules are about: path from the root → text. */
export function sources() {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const names = ['src', 'workers', 'load'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => posix.join(folder, String(name))),
  );
  // A declaration says what there is, and loads nothing.
  const files = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')).sort();
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
}

/** `import … from`, `export … from`, `import '…'` at the start of a line, and `import('…')` anywhere. */
const IMPORT = /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

function importsOf(text) {
  return [...text.matchAll(IMPORT)].map(([, type, from, dynamic]) => ({
    from: from ?? dynamic,
    typeOnly: type !== undefined,
  }));
}

function target(file, from) {
  return posix.join(posix.dirname(file), from).replace(/\.js$/, '.ts');
}

function wrongFile(file, imported, typeOnly) {
  const rule = RULES.find(({ files }) => files.some((path) => covers(path, file)));
  if (rule === undefined) return 'no rule is about this file';
  const own = /^workers\/drivers\/[^/]+\//.exec(file)?.[0] ?? '';
  const may = [...rule.may, ...(typeOnly ? (rule.types ?? []) : [])].map((path) =>
    path.replace('workers/drivers/*/', own),
  );
  const allowed = may.some((path) => covers(path, imported)) && !rule.not?.some((path) => covers(path, imported));
  return allowed ? undefined : `it may import ${may.join(' ')} only`;
}

function wrongPackage(file, from) {
  const name = from.split('/', from.startsWith('@') ? 2 : 1).join('/');
  if (name.startsWith('node:')) return undefined;
  if (builtinModules.includes(name)) return `write node:${name}`;
  if (file.startsWith('load/')) return undefined;
  const may = PACKAGES[name];
  if (may === undefined) return 'scripts/imports.mjs names nobody who may import this package';
  return may.some((path) => covers(path, file)) ? undefined : `only ${may.join(' ')} may import this package`;
}

function covers(path, file) {
  if (!path.endsWith('/')) return file === path;
  return path.includes('*') ? new RegExp(`^${path.replace('*', '[^/]+')}`).test(file) : file.startsWith(path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = violations(sources());
  for (const line of found) console.error(line);
  process.exitCode = found.length > 0 ? 1 : 0;
}
