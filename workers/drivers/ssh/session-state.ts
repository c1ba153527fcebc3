/**
 * One command on a channel of its own (RFC 4254, 5 and 6). The outcome comes from `exit-status` or `exit-signal` and
 * from nothing else.
 *
 *     opening ──▶ setting ──▶ starting ──▶ running ──▶ exited ──▶ closed
 *        │       (env, pty)       └───────────┴── aborted ──▶ stopping
 *        │                                                       │
 *        └── aborted ──▶ abandoned ──▶ closing ──▶ closed ◀──────┘
 *
 * opening    CHANNEL_OPEN is sent
 * setting    what the command needs is asked for (Setup), and not all of it answered
 * starting   `exec` is sent: from here on the command may run
 * running    the server said that it runs; under sudo, that sudo does
 * exited     the status is known; the output may not be complete
 * stopping   the request was aborted; the command is being signalled (Stopping)
 * abandoned  the request is settled and the channel not yet open
 * closing    the request is settled, CHANNEL_CLOSE is sent, the server's is not yet here
 */
export type SessionState =
  | 'opening'
  | 'setting'
  | 'starting'
  | 'running'
  | 'exited'
  | 'stopping'
  | 'abandoned'
  | 'closing'
  | 'closed';
