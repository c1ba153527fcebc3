// Writes docs/options.md from the TSDoc of the option types, so that the page cannot fall behind. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { members } from './tsdoc.mjs';

const root = new URL('../', import.meta.url);
const page = new URL('docs/options.md', root);

/** Heading → file and interface. */
const SECTIONS = [
  ['createEngine(options)', 'src/options.ts', 'EngineOptions'],
  ['limits', 'src/options.ts', 'LimitOptions'],
  ['limits.breaker', 'src/options.ts', 'BreakerOptions'],
  ['cache: of createEngine', 'src/options.ts', 'EngineCacheOptions'],
  ['ssh: defaults of all SSH requests of an engine, and', 'src/specs/ssh.ts', 'SshOptions'],
  ['how a host is reached: in ssh, in a request and in a hop', 'src/ssh-types.ts', 'SshAccess'],
  ['smtp: defaults of all SMTP requests of an engine, and', 'src/smtp-types.ts', 'SmtpOptions'],
  ['how a mail server is reached: in smtp and in a request', 'src/smtp-types.ts', 'SmtpAccess'],
  ['stdio', 'src/stdio-types.ts', 'StdioOptions'],
  ['stdio.servers: each', 'src/stdio-types.ts', 'StdioServer'],
  ['http: defaults of all HTTP requests of an engine, and', 'src/http-types.ts', 'HttpOptions'],
  ['how an origin is reached: in http, in http.origins and in a request', 'src/http-types.ts', 'HttpAccess'],
  ['http.origins: each, and', 'src/http-types.ts', 'HttpOrigin'],
  ['keylane.yaml: those of createEngine, and', 'src/config/types.ts', 'FleetOptions'],
  ['keylane.yaml: a group', 'src/config/types.ts', 'ConfigGroup'],
  ['keylane.yaml: an inventory', 'src/config/types.ts', 'ConfigInventory'],
  ['loadConfig(options)', 'src/config/load.ts', 'LoadConfigOptions'],
  ['createService(options)', 'src/server/options.ts', 'ServiceOptions'],
  ['createService(options), and serve of keylane.yaml', 'src/server/section.ts', 'ServeSection'],
  ['tls', 'src/server/section.ts', 'TlsOptions'],
  ['tokens: each', 'src/server/access/token-options.ts', 'TokenOptions'],
  ['tokens: quota', 'src/server/access/token-options.ts', 'TokenQuota'],
  ['serve: http', 'src/server/access/limits.ts', 'HttpLimits'],
  ['log', 'src/server/section.ts', 'LogSection'],
  ['metrics', 'src/server/section.ts', 'MetricsOptions'],
  ['tracing', 'src/server/section.ts', 'TracingOptions'],
  ['run(driver, request, options)', 'src/types.ts', 'CallOptions'],
  ['cache: of a call', 'src/types.ts', 'CacheOptions'],
  ['batch(driver, requests, options): those of run, and', 'src/batch-options.ts', 'BatchOptions'],
  ['prewarm(driver, requests, options)', 'src/prewarm.ts', 'PrewarmOptions'],
  ['connect(options)', 'src/client/options.ts', 'ClientOptions'],
  ['The ssh request', 'src/ssh-types.ts', 'SshRequest'],
  ['The smtp request, and how the server is reached', 'src/smtp-types.ts', 'SmtpRequest'],
  ['The smtp request: an attachment', 'src/smtp-types.ts', 'SmtpAttachment'],
  ['The stdio request', 'src/stdio-types.ts', 'StdioRequest'],
  ['The http request, and how the origin is reached', 'src/http-types.ts', 'HttpRequest'],
  ['The echo request', 'src/echo-types.ts', 'EchoRequest'],
];

const text = `# Options

Generated from the TSDoc in the sources by \`node scripts/options-doc.mjs\`; a test fails when this page falls behind.
A value that is not valid is refused with the option's path. Milliseconds end in \`Ms\`, bytes in \`Bytes\`.
\`stream\` takes \`timeoutMs\` (no time-out unless given), \`signal\`, \`priority\`, \`labels\` and \`traceparent\`.

${SECTIONS.map(section).join('\n')}`;

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/options.md is not what the sources say: run `node scripts/options-doc.mjs`');
  process.exit(1);
}

function section([heading, file, name]) {
  const rows = members(readFileSync(new URL(file, root), 'utf8'), name).map(
    ({ member, optional, type, says, standard }) =>
      `| \`${member}\`${optional ? '' : ' (required)'} | \`${cell(type)}\` | ${cell(standard)} | ${cell(says)} |`,
  );
  return `## ${heading}\n\n| option | type | default | what it does |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function cell(text) {
  return text.replaceAll('|', '\\|');
}
