#!/usr/bin/env node
import { readFileSync } from 'node:fs';

const args = process.argv.slice(2);

// Answered before anything is imported: --version costs hardly more than starting Node.
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`${version}\n`);
} else {
  const { program } = await import('./program.js');
  process.exitCode = await program(args, process);
}
