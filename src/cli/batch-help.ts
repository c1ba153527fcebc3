/** What follows the flags in the help of `keylane batch` and its commands. */

const LINE = `{"id":"…","driver":"ssh","request":{…},"idempotent":false,"timeoutMs":60000,"priority":0,"labels":[],"after":["…"]}`;

export const BATCH_HELP = `
A batch is kept in a journal until rm: what has a result is never run again, whatever ended the process.

Examples:
  keylane batch run jobs.ndjson --out results.ndjson
  keylane batch run hosts.csv --template 'systemctl restart {service}' --canary 5 --max-failures 5%
  keylane batch list
  keylane batch resume 20261121-180000-a1b2
  keylane batch retry 20261121-180000-a1b2 --failed --not-started

keylane batch run --help has the flags and the exit statuses.
`;

const STATUS = `
Exit status, the first that applies:
  130  interrupted (143 SIGTERM, 129 SIGHUP): it can be resumed
  2    the command line, the input, a file or the configuration is not valid; the output could not be written
  3    some did not start, were canceled, or it is unknown what became of them
  1    some failed
  0    all are ok
`;

const SIGNALS = `
The first Ctrl-C lets finish what has begun and begins no more. The second cuts, as SIGTERM and SIGHUP do. The third leaves
at once. After each of them keylane batch resume goes on. SIGUSR2 pauses and, once more, goes on; SIGCONT goes on.
`;

export const RUN_HELP = `
A line of NDJSON, or of the array of a .json file; only request must be there, and any other field is refused:
  ${LINE}
A CSV file has the columns id, driver, idempotent, timeoutMs, priority, labels and after (separated by ;); the others are
fields of the request or, with --template, what {column} stands for; {{ and }} are braces.
Every line is read before anything starts.
${SIGNALS}
Examples:
  keylane batch run jobs.ndjson --out results.ndjson
  keylane batch run hosts.csv --template 'cp {from} {to}' -l deploy --id copy-1
  make-jobs | keylane batch run --driver ssh -c 500 --per-key 4 > results.ndjson
  keylane batch run restart.ndjson --wave canary --wave eu --limit web=10 --max-failures 3
  keylane batch run mails.csv --driver smtp --out sent.ndjson
  keylane batch run nightly.ndjson --window 22:00-06:00 --rate 50
${STATUS}`;

export const RESUME_HELP = `
What has a result is not run again. What had begun and has none is unknown, or is run again where it is idempotent. The
input must be as it was. Flags that are given take the place of those of the run.

Examples:
  keylane batch resume 20261121-180000-a1b2
  keylane batch resume 20261121-180000-a1b2 -c 50
${SIGNALS}${STATUS}`;

export const RETRY_HELP = `
Without a choice: --failed --not-started. The new batch has a copy of its requests, with their ids.

Examples:
  keylane batch retry 20261121-180000-a1b2
  keylane batch retry 20261121-180000-a1b2 --unknown --out again.ndjson
${SIGNALS}${STATUS}`;

export const SHOW_HELP = `
Examples:
  keylane batch show 20261121-180000-a1b2
  keylane batch show 20261121-180000-a1b2 --follow
`;

export const EXPORT_HELP = `
Examples:
  keylane batch export 20261121-180000-a1b2 --ordered > all.ndjson
  keylane batch export 20261121-180000-a1b2 --format junit --out report.xml
`;
