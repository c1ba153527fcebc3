// Adds to package-lock.json the optional packages of other platforms, where the registry at hand did not have them:
// without their entries `npm ci` refuses the lock. Run it after a change of dependencies: node scripts/complete-lock.mjs package-lock.json
import { readFileSync, writeFileSync } from 'node:fs';

const file = process.argv[2];
const lock = JSON.parse(readFileSync(file, 'utf8'));
const OS = [
  'android',
  'darwin',
  'linux',
  'win32',
  'freebsd',
  'openbsd',
  'netbsd',
  'sunos',
  'aix',
  'openharmony',
  'wasm32',
  'wasi',
];
const CPU = {
  arm64: 'arm64',
  x64: 'x64',
  ia32: 'ia32',
  arm: 'arm',
  armhf: 'arm',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
  mips64el: 'mips64el',
};
const added = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const at = `node_modules/${name}`;
    if (lock.packages[at] || lock.packages[`${path}/${at}`]) continue;
    const words = name.split('/').at(-1).split(/[-_.]/);
    const os = words.find((w) => OS.includes(w));
    const cpu = words.map((w) => CPU[w]).find(Boolean);
    if (!/^\d/.test(version)) {
      console.error('not exact, left out:', name, version);
      continue;
    }
    if (!os || !cpu) {
      console.error('no platform in the name:', name, version);
      continue;
    }
    const libc =
      os !== 'linux'
        ? undefined
        : words.some((w) => w.startsWith('musl'))
          ? ['musl']
          : words.some((w) => /^gnu/.test(w))
            ? ['glibc']
            : undefined;
    lock.packages[at] = {
      version,
      cpu: [cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(libc ? { libc } : {}),
      optional: true,
      os: [os],
    };
    added.push(`${name}@${version} ${os} ${cpu} ${libc ?? ''}`);
  }
}
const keys = Object.keys(lock.packages).sort((a, b) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(keys.map((k) => [k, lock.packages[k]]));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.join('\n'));
