/** What follows the flags in `keylane exec --help`. */
export const HELP = `
Without --argv or --shell the words of the command are joined by one space and given to the login shell, as ssh does.
Durations: 500ms, 30s, 2m, 1h; a bare number is seconds.

The first Ctrl-C lets finish what has begun and begins no more. The second cuts. The third leaves at once.

Examples:
  keylane exec 'web-[01-20].example' -- uptime
  keylane exec -b -l root 'web-[01-20],db-[1-3]' -x web-07 -- uname -r
  keylane exec --inventory hosts.ini '@web&@eu' -x @canary -- systemctl is-active app
  keylane exec -H hosts.txt --timeout 10s --format ndjson -- df -h / > df.ndjson
  keylane exec --argv web-1 -- touch 'a file with $signs'
  keylane exec --shell bash web-1 -- 'set -o pipefail; make 2>&1 | tail -3'
  keylane exec --stdin app.conf -H hosts.txt -- 'cat > /etc/app.conf'
  list-hosts | keylane exec - --out-dir results -- journalctl -b

Exit status, the first that applies:
  130  interrupted
  2    the command line, a file it names or the configuration is not valid; the output could not be written
  3    on some hosts the command did not start, was canceled, or it is unknown what became of it
  1    on some hosts the command failed; with --max-rc the largest remote exit code (128 + n for signal n)
  0    the command succeeded on all hosts
`;
