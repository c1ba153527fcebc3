// For `--import`: no thread gets past its start while the file FAULT_FILE exists.
import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

if (!isMainThread && existsSync(process.env.FAULT_FILE)) throw new Error('no thread starts today');
