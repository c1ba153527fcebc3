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

it('what a service has kept of a batch is the same options, and reaches hosts as the service does', () => {
  const options = {
    ...{ concurrency: 7, concurrencyPerKey: 2, timeoutMs: 'auto' as const, attempts: 2, idempotent: true, priority: 1 },
    ...{ rate: 5, maxFailures: '5%' as const, canary: 3, waves: ['a'], window: '22:00-06:00', maxOutputTotal: 9 },
    ...{ labels: ['x'], timeoutFloorMs: 100, timeoutCeilingMs: 1_000 },
  };
  const kept = readSettings({ by: 'keylane serve', principal: 'me', options, flags: { user: 'deploy' } });
  expect(kept).toMatchObject({ user: 'deploy', wave: ['a'] });
  expect(optionsOf(withDefaults({}, kept))).toEqual(options);
  const none = readSettings({ by: 'keylane serve', principal: 'me', options: { idempotent: false } });
  expect(optionsOf(withDefaults({}, none))).toEqual(optionsOf(withDefaults({})));
});
