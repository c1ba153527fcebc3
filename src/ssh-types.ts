/** What the `ssh` driver is asked and what it answers. */

/** How to decide about a host's key: as OpenSSH's StrictHostKeyChecking yes, accept-new, ask, no. */
export type HostKeys = 'strict' | 'accept-new' | 'ask' | 'insecure';

/**
 * Who does the protocol: `ssh2` in this process · `openssh` the system's `ssh`, for what ssh2 cannot do (certificates,
 * FIDO keys, post-quantum key exchange, GSSAPI) · `auto` the first, unless the host's configuration needs the second.
 *
 * With `openssh` a password, a passphrase and `hostKeys: 'ask'` take OpenSSH 8.4 or later (keyboard-interactive 8.5); an
 * older one fails with `ERR_CONFIG_UNSUPPORTED`. Each secret is told to `ssh` once, when it asks for it, over a socket.
 */
export type SshTransport = 'ssh2' | 'openssh' | 'auto';

/** A way to log in. */
export type SshMethod = 'publickey' | 'password' | 'keyboard-interactive';

/** Lists as ssh_config has them: `a,b` these only, `+a` these too, `-a` not these, `^a` these first. */
export interface SshAlgorithms {
  kex?: string;
  ciphers?: string;
  macs?: string;
  hostKeys?: string;
}

/** How a host is reached and who we are there. Given for one request, one hop, or for all of an engine. */
export interface SshAccess {
  /** @default 22 */
  port?: number;
  /** @default the user of this process */
  user?: string;
  /** Paths of the private keys to try, and no others. @default the agent, then ~/.ssh/id_ed25519, id_ecdsa, id_rsa */
  identity?: string | readonly string[];
  /** False: the agent's other keys are tried too. @default true where `identity` is given, else false */
  identitiesOnly?: boolean;
  /** Path of the agent's socket; `none` asks no agent. @default SSH_AUTH_SOCK */
  agent?: string;
  /**
   * True: commands on the host may use the agent of this machine, and so may whoever has the host. The path of a socket:
   * they may use that agent. @default false
   */
  forwardAgent?: boolean | string;
  /** The ways to log in that are tried, in this order, and no others. @default publickey, password, keyboard-interactive */
  methods?: readonly SshMethod[];
  /** Passphrase of the private key, as a reference: `env:NAME`, `file:PATH`, or `cmd:COMMAND` with `allowCommands`. */
  passphrase?: string;
  /** Password, as a reference: `env:NAME`, `file:PATH`, or `cmd:COMMAND` with `allowCommands`. */
  password?: string;
  /** Paths of the known_hosts files; new keys are added to the first. @default ~/.ssh/known_hosts, then /etc/ssh/ssh_known_hosts */
  knownHosts?: string | readonly string[];
  /** What known_hosts calls the host. @default its name */
  hostKeyAlias?: string;
  /** True: names are hashed where a new key is added. @default false */
  hashKnownHosts?: boolean;
  /** @default 'strict' */
  hostKeys?: HostKeys;
  /** Which algorithms are offered, by kind. Weak ones are, if they are named. @default those without SHA-1, CBC and group exchange */
  algorithms?: SshAlgorithms;
  /** Local address to connect from. */
  bindAddress?: string;
  /** @default 'any' */
  addressFamily?: 'any' | 'inet' | 'inet6';
  /** @default 'ssh2' */
  transport?: SshTransport;
}

/** One jump host (ssh_config's ProxyJump). */
export interface SshHop extends SshAccess {
  host: string;
}

/**
 * One command on one host (exactly one of `command` and `argv`), or one file (`op: 'put' | 'get'`, with `remote`), or one
 * look at a detached command (`op: 'poll' | 'collect'`, with `id`), or a look at the connection itself (`op: 'probe'`).
 */
export interface SshRequest extends SshAccess {
  /** Host name or address; `user@host:port` is not taken apart here (the command line does that). */
  host: string;
  /**
   * Hosts to go through, the first one first: `user@bastion:22,inner`, or hops with fields of their own. A hop takes the
   * engine's defaults, as any host, but for user, port and password; nothing of the request.
   */
  jump?: string | readonly (string | SshHop)[];
  /** @default 'exec' */
  op?: 'exec' | 'put' | 'get' | 'poll' | 'collect' | 'probe';
  /** Given to the login shell as it stands. */
  command?: string;
  /** Each word reaches the program exactly as it is, in whatever login shell: a POSIX one, fish, csh or tcsh. */
  argv?: readonly string[];
  /**
   * What `argv` is quoted for. It need not be told; `powershell` and `cmd` are refused, for which nothing is quoted
   * exactly yet. @default for posix, fish and csh alike
   */
  shell?: 'posix' | 'fish' | 'csh' | 'powershell' | 'cmd';
  /** Sent on stdin, then end of file; bytes also as JSON can hold them. Without it stdin is empty. */
  stdin?: string | Uint8Array | { base64: string };
  /** Variables to set; a server that refuses one (sshd's AcceptEnv) fails the request by name. */
  env?: Readonly<Record<string, string>>;
  /** Bytes kept of each of stdout and stderr; more is read and dropped, and `truncated` says so. @default 1_048_576 */
  maxOutputBytes?: number;
  /** `utf8`: strings, with U+FFFD for what is not UTF-8. `buffer`: Buffers. @default 'utf8' */
  encoding?: 'utf8' | 'buffer';
  /** Milliseconds without a byte of output after which the command is stopped. @default none */
  silenceMs?: number;
  /** True: whatever the command has started is stopped with it. @default false */
  killTree?: boolean;
  /** A terminal on the host: stdout and stderr come as one. @default false */
  pty?: boolean | { columns?: number; rows?: number; term?: string };
  /** Runs the command as another user (`root` by default); `password` is a reference. */
  sudo?: boolean | { user?: string; password?: string };
  /** Starts the command and leaves it running on the host under an id; `op: 'poll'` and `'collect'` ask for it later. */
  detach?: boolean | { id?: string };
  /** Of `poll` and `collect`: the id that the detached command was started under. */
  id?: string;
  /** Of `put` and `get`: a file of this machine. Without it the bytes go by the stream (`engine.stream`). */
  local?: string;
  /** Of `put` and `get`: the file on the host; relative to the user's home. A directory takes it under its own name. */
  remote?: string;
  /** Of `put` and `get`: permissions of the new file. @default those of the source */
  mode?: number;
  /** Of `put` and `get`: permissions and time of the source are kept. @default true */
  preserve?: boolean;
  /** Of `put` and `get`: directories on the way to the new file are made. @default false */
  parents?: boolean;
  /**
   * Of `put` and `get`: what a cut try left beside the new file, hidden, is gone on with if the source is still the
   * same, and a cut try leaves it there. Not for two copies to one place at once. @default false
   */
  resume?: boolean;
}

export interface SshResponse {
  /** Exit status, 0 to 255; null where a signal ended the command, where it still runs, or where it left none. */
  code: number | null;
  /** As Node names it (`SIGTERM`), or null. */
  signal: string | null;
  stdout: string | Buffer;
  stderr: string | Buffer;
  /** True if stdout or stderr had more than `maxOutputBytes`. */
  truncated: boolean;
  /** Of `put` and `get`: bytes of the file. */
  bytes?: number;
  /**
   * Of a detached command: its id, and whether it still runs. Without code and not running it was killed, or the host
   * was started anew: nobody wrote down how it ended.
   */
  detached?: { id: string; running: boolean };
  /** Of `probe`. */
  probe?: SshProbe;
}

/** What is known of a connection and its server. */
export interface SshProbe {
  transport: 'ssh2' | 'openssh';
  /** As the server names itself: `OpenSSH_9.2p1 Debian-2`. */
  software: string;
  /** What the key exchange settled. */
  kex: string;
  cipher: string;
  mac: string;
  hostKeyAlgorithm: string;
  strict: boolean;
  /** Whether what is recorded today stays secret when there are quantum computers. */
  postQuantum: boolean;
  /** The key that the server showed, and why it was taken. */
  hostKey: { type: string; fingerprint: string; decision: 'known' | 'new' | 'unchecked' };
  /** Every log-in that was tried, in its order. */
  tries: { says: string; result: 'accepted' | 'partial' | 'refused' }[];
  /** Sessions that the server takes on one connection; 11 were tried. */
  sessions: number;
  /** Milliseconds of `true` on the open connection, the best of three. */
  execMs: number;
}
