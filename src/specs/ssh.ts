import { z } from 'zod';
export const sshOptionsSchema = z.strictObject({});
export type SshOptions = z.infer<typeof sshOptionsSchema>;
export function makeSshSpec(_: SshOptions) { return { name: 'ssh', parse(): never { throw new Error('stub'); }, ok: () => true }; }
