// Writes docs/metrics.md from the table of metrics, so that the page cannot fall behind. `--check` only compares. Needs dist.
import { readFileSync, writeFileSync } from 'node:fs';
import { METRICS } from '../dist/src/server/metrics/catalogue.js';

const page = new URL('../docs/metrics.md', import.meta.url);
const rows = Object.entries(METRICS).map(
  ([name, { type, labels, help }]) =>
    `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
);
const text = `# Metrics

Generated from src/server/metrics/catalogue.ts by \`node scripts/metrics-doc.mjs\`; a test fails when this page falls behind.

\`GET /metrics\` answers in the text format of Prometheus (0.0.4). It takes a token, as every route does: make one that is
\`readOnly\`, and give it to Prometheus:

\`\`\`yaml
scrape_configs:
  - job_name: keylane
    authorization: { credentials_file: /etc/prometheus/keylane.token }
    static_configs: [{ targets: ['127.0.0.1:7473'] }]
\`\`\`

Every label has values of a bounded set: drivers, outcomes, codes of [errors.md](errors.md), shards, routes, groups. Keys are
no label, so the number of series does not grow with hosts: with \`metrics: { keys: true }\` the 1,000 keys with most
requests get three series each. Counters go on where a shard is replaced: what its lost thread had counted is kept.
A scrape does not disturb what runs: it asks each shard for one small snapshot, and takes a millisecond on the main thread.

\`reason\` of \`keylane_http_refused_total\` is a code of errors.md, or what was wrong before there was a request:
\`connections\`, \`connections_per_address\` (too many), \`no_http\`, \`head_too_large\`, \`head_too_slow\`. \`reason\` of
\`keylane_connections_closed_total\`: \`idle\`, \`lifetime\` (their time was over), \`evicted\`, \`gave_way\` (others needed the place),
\`lost\`, \`discarded\`, \`check_failed\` (broken), \`not_reusable\`, \`unwanted\` (nobody waited any more), \`shut\`.

[alerts.yml](alerts.yml) has rules for Prometheus, [grafana-dashboard.json](grafana-dashboard.json) a dashboard to import. The
same figures are in \`GET /v1/stats\` as JSON, and as one server-sent event a second.

| metric | type | labels | what it is |
| --- | --- | --- | --- |
${rows.join('\n')}

## Traces

A request to the service may say its place in a trace by the headers \`traceparent\` and \`tracestate\` (W3C Trace Context); a job of
a batch has a field \`traceparent\`. It comes back with the result. Where the program that calls \`createService\` has registered a
tracer provider of OpenTelemetry (keylane brings no SDK), each settled request is a span \`keylane <driver>\` below it, with the
attributes \`keylane.driver\`, \`keylane.key\` (not with \`tracing: { keys: false }\`), \`keylane.outcome\`, \`keylane.attempts\`,
\`keylane.shard\`, \`keylane.reused\`, \`keylane.cache\` and \`error.type\`, an event \`keylane.open\` where it waited for a connection to be
opened, and one \`keylane.retry\` for each try before the last. Without a provider none of this is made.
`;

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/metrics.md is not what the sources say: run `npm run build && node scripts/metrics-doc.mjs`');
  process.exit(1);
}
