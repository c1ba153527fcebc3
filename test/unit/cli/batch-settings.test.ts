import { expect, it } from 'vitest';
import { withDefaults } from '../../../src/cli/batch-run-flags.ts';
import { keptSettings, optionsOf, readSettings } from '../../../src/cli/batch-settings.ts';

it('keeps what a run was told, so that from any folder the same is meant, and no secret', () => {
  const given = {
    ...{ id: 'a', dataDir: 'data', quiet: true as const, progress: false, journal: true, skipBad: 'bad' },
    ...{ driver: 'ssh', template: 'x', concurrency: 7, wave: ['a'], out: 'out', identity: ['key'], config: 'none' },
    ...{ password: 'file:pw', passphrase: 'env:PW', sshConfig: 'none', knownHosts: '/known', cwd: '/there' },
  };
  const kept = JSON.parse(JSON.stringify(keptSettings(given)));
  const here = process.cwd();
  expect(readSettings(kept)).toEqual({
    ...{ concurrency: 7, wave: ['a'], out: `${here}/out`, identity: [`${here}/key`], config: 'none', cwd: '/there' },
    ...{ password: `file:${here}/pw`, passphrase: 'env:PW', sshConfig: 'none', knownHosts: '/known' },
  });
  expect(readSettings({ by: 'a program' })).toBeUndefined();
  expect(readSettings(undefined)).toBeUndefined();
});

it('what is given now goes before what was given then, and that before defaults', () => {
  const flags = withDefaults({ concurrency: 3 }, { concurrency: 7, timeout: 5_000 });
  expect(flags).toMatchObject({ concurrency: 3, timeout: 5_000, attempts: 3, journal: true, format: 'ndjson' });
  expect(optionsOf(flags)).toEqual({ concurrency: 3, timeoutMs: 5_000, attempts: 3 });
});
