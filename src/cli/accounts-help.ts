const STATUS = `
Exit status: 0 done; 1 some did not work; 2 the command line, a file it names, the configuration or the data directory is
not valid, or there is no such account; 130 interrupted.
`;

/** What follows the flags in the help of each `keylane accounts` command. */
export const HELP_OF = {
  accounts: `
No secret is stored and none is taken from the command line: an account has references, env:NAME or file:PATH.
Requests name an account instead of a host: engine.run('ssh', { account: 'web-1', command: 'uptime' }).

Examples:
  keylane accounts add web-1 --host web-1.example -l deploy -i ~/.ssh/deploy --label web
  keylane accounts import fleet.csv
  keylane accounts verify --label web
`,
  add: `
Examples:
  keylane accounts add web-1 --host web-1.example -l deploy -i ~/.ssh/deploy --label web --label eu
  keylane accounts add db-1 --host 10.0.0.7 -l admin --password file:/run/secrets/db-1 -J bastion.example
  keylane accounts add news --driver smtp --host smtp.example.com -l news@example.com --password env:NEWS --preset gmail
  keylane accounts add sales --driver smtp --host smtp.office365.example -p 587 -l sales@example.com \\
    --oauth refresh_token --token-url https://login.example/token --client-id 7c0f --refresh-token file:/etc/keylane/sales

An account that is there already is refused: change it with keylane accounts set.
${STATUS}`,
  list: `
Examples:
  keylane accounts list --label web
  keylane accounts list --format json > accounts.json      what keylane accounts import takes
${STATUS}`,
  show: `
Example:
  keylane accounts show web-1 --format json
${STATUS}`,
  set: `
Fields that are given take the place of the old ones (all labels, all identities); the rest stays.

Examples:
  keylane accounts set web-1 -p 2222
  keylane accounts set web-1 --password env:WEB_1 --unset identity --unset secrets.passphrase
${STATUS}`,
  remove: `
Example:
  keylane accounts remove web-1 web-2
${STATUS}`,
  verify: `
An account with OAuth2 gets a token, any other a connection with its log-in. The SSH flags are defaults, as in keylane exec.

Examples:
  keylane accounts verify
  keylane accounts verify --driver smtp --format ndjson
  keylane accounts verify web-1 web-2 --timeout 5s
${STATUS}`,
  login: `
Shows a code and a web page on stderr, and waits until somebody has typed the code there, on whatever device, and said yes.
What the server gives is stored in the file of the account's refresh token.

Example:
  keylane accounts login sales
${STATUS}`,
  import: `
CSV begins with a line that names the columns: name, driver, host, port, user, identity, labels, password, passphrase, jump,
knownHosts, hostKeys, grant, tokenUrl, issuer, clientId, clientSecret, refreshToken, scope, timeoutMs, maxOutputBytes.
Several labels or identities in one cell have a semicolon between. JSON is an array of accounts, NDJSON one a line.
If any row is bad, all bad rows are named and nothing is imported, unless --skip-bad is given.

Examples:
  keylane accounts import fleet.csv
  keylane accounts import --replace --skip-bad fleet.csv
  list-mailboxes | keylane accounts import --from ndjson -

  name,driver,host,user,password,labels
  web-1,ssh,web-1.example,deploy,env:WEB_1,web;eu
${STATUS}`,
} as const;
