// Writes docs/keylane.schema.json, by which editors complete keylane.yaml: the schema that checks the file, with the TSDoc
// of the types. Takes the schema from dist, so build first. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { jsonSchema } from '../dist/src/config/schema.js';
import { members } from './tsdoc.mjs';

const root = new URL('../', import.meta.url);
const file = new URL('docs/keylane.schema.json', root);

const SSH = [
  ['src/specs/ssh.ts', 'SshOptions'],
  ['src/ssh-types.ts', 'SshAccess'],
];
const GROUP_SSH = [
  ['src/config/types.ts', 'GroupSsh'],
  ['src/ssh-types.ts', 'SshAccess'],
];
const SMTP = [
  ['src/smtp-types.ts', 'SmtpOptions'],
  ['src/smtp-types.ts', 'SmtpAccess'],
];
/** Path (`*` for any name or number) → the interfaces that tell of what is there. */
const TOLD = {
  '': [
    ['src/options.ts', 'EngineOptions'],
    ['src/config/types.ts', 'ConfigFile'],
    ['src/config/types.ts', 'FleetOptions'],
  ],
  limits: [['src/options.ts', 'LimitOptions']],
  'limits.breaker': [['src/options.ts', 'BreakerOptions']],
  cache: [['src/options.ts', 'EngineCacheOptions']],
  ssh: SSH,
  smtp: SMTP,
  stdio: [['src/stdio-types.ts', 'StdioOptions']],
  'stdio.servers.*': [['src/stdio-types.ts', 'StdioServer']],
  http: [
    ['src/http-types.ts', 'HttpOptions'],
    ['src/http-types.ts', 'HttpAccess'],
  ],
  'http.origins.*': [
    ['src/http-types.ts', 'HttpOrigin'],
    ['src/http-types.ts', 'HttpAccess'],
  ],
  'ssh.jump.*': [['src/ssh-types.ts', 'SshAccess']],
  'groups.*': [['src/config/types.ts', 'ConfigGroup']],
  'groups.*.ssh': GROUP_SSH,
  'groups.*.ssh.jump.*': [['src/ssh-types.ts', 'SshAccess']],
  'inventories.*': [['src/config/types.ts', 'ConfigInventory']],
  serve: [['src/server/section.ts', 'ServeSection']],
  'serve.tls': [['src/server/section.ts', 'TlsOptions']],
  'serve.log': [['src/server/section.ts', 'LogSection']],
  'serve.metrics': [['src/server/section.ts', 'MetricsOptions']],
  'serve.tracing': [['src/server/section.ts', 'TracingOptions']],
  'serve.http': [['src/server/access/limits.ts', 'HttpLimits']],
  'serve.tokens.*': [['src/server/access/token-options.ts', 'TokenOptions']],
  'serve.tokens.*.quota': [['src/server/access/token-options.ts', 'TokenQuota']],
};

const schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'keylane.yaml',
  description:
    'The configuration of keylane: options of the engine, groups of hosts and inventories. See docs/config.md.',
  ...jsonSchema(),
};
describe(schema, '');
const text = `${JSON.stringify(schema, null, 2)}\n`;

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error(
    'docs/keylane.schema.json is not what the schema says: build, then run `node scripts/config-schema.mjs`',
  );
  process.exit(1);
}

function describe(node, path) {
  const told = (TOLD[path] ?? []).flatMap(([source, name]) =>
    members(readFileSync(new URL(source, root), 'utf8'), name),
  );
  for (const [name, inner] of Object.entries(node.properties ?? {})) {
    const about = told.find(({ member, says, standard }) => member === name && (says !== '' || standard !== ''));
    if (about)
      inner.description = [about.says, about.standard && `Default: ${about.standard}.`].filter(Boolean).join(' ');
    describe(inner, path === '' ? name : `${path}.${name}`);
  }
  for (const choice of node.anyOf ?? []) describe(choice, path);
  for (const each of [node.additionalProperties, node.items]) if (typeof each === 'object') describe(each, `${path}.*`);
}
