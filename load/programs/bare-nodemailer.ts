// The measured program with nodemailer's pool and nothing else: all in one thread.
import { createTransport } from 'nodemailer';
import { runAll, type Work } from '../measure.js';
import { serveProgram } from '../program.js';

export type BareNodemailer = typeof steps;

let send: (lane: number) => Promise<unknown>;

const steps = {
  start({ host, port, connections, raw }: { host: string; port: number; connections: number; raw: string }): void {
    const pool = createTransport({
      pool: true,
      host,
      port,
      secure: false,
      ignoreTLS: true,
      maxConnections: connections,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const envelope = { from: 'a@example.test', to: 'b@example.test' };
    send = () => pool.sendMail({ envelope, raw });
  },

  run: ({ lanes, count }: { lanes: number; count: number }): Promise<Work> => runAll(lanes, count, send),
};

serveProgram(steps);
