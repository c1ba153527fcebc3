// Parses what a file holds, one input after the other, and prints what each took of memory. Run with --expose-gc and
// --max-semi-space-size=1.
import { readFileSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { GCProfiler } from 'node:v8';

const [dist, file] = process.argv.slice(2);
const load = (name) => import(new URL(name, dist).href);
const { expandHosts } = await load('src/targets/hosts.js');
const { SshConfigFiles } = await load('src/targets/ssh-config/ssh-config.js');
const { systemClock } = await load('src/util/clock.js');
const { FrameReader } = await load('src/wire/frame-reader.js');
const { KnownHosts } = await load('workers/drivers/ssh/known-hosts.js');

const PARSERS = {
  'host patterns': ([text]) => expandHosts(text),
  known_hosts: ([text]) => {
    const hosts = new KnownHosts(text, 'f');
    return [hosts, hosts.keysOf('web-1')];
  },
  ssh_config: ([text]) => {
    writeFileSync(`${file}.config`, text);
    const files = [{ path: `${file}.config`, from: 'flag' }];
    const config = new SshConfigFiles({ files, home: '/nonexistent', user: 'me', clock: systemClock });
    return [config, config.resolve({ host: 'web-1' })];
  },
  'frames between threads': (frames) => {
    const reader = new FrameReader();
    const got = [];
    const keep = (...what) => void got.push(what.at(-1));
    for (const frame of frames) {
      try {
        reader.read(frame, { run: keep, response: keep, other: keep });
      } catch (error) {
        got.push(error);
      }
    }
    return got;
  },
};

const used = () => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** Memory of Buffers is given back by a thread beside this one. */
async function collect() {
  for (let i = 0; i < 3; i++) {
    gc();
    await setImmediate();
  }
}

/**
 * What the heap and what lies beside it (Buffers) had more than before, at most: looked at as the parser ends and, since
 * garbage is collected each time that a little has been allotted, before each collection between. So it is what lives at
 * once, and little garbage. And what still lives while the result is held.
 */
async function taken(parse, input) {
  await collect();
  const before = used();
  const profiler = new GCProfiler();
  profiler.start();
  let result;
  try {
    result = parse(input);
  } catch (error) {
    result = error;
  }
  const end = used();
  const looks = profiler.stop().statistics.map(({ beforeGC: { heapStatistics: heap } }) => heap);
  const most = Math.max(end, ...looks.map(({ usedHeapSize, externalMemory }) => usedHeapSize + externalMemory));
  await collect();
  const kept = used() - before;
  const code = result instanceof Error ? (result.code ?? String(result)) : 'read';
  return { most: most - before, kept, code };
}

const inputs = JSON.parse(readFileSync(file, 'utf8'));
for (const input of inputs) {
  const parse = PARSERS[input.parser];
  const binary = input.parser === 'frames between threads';
  input.parts = input.parts.map((part) => {
    const bytes = Buffer.from(part, 'base64');
    return binary ? new Uint8Array(bytes) : bytes.toString('latin1');
  });
  // The first time compiles it.
  await taken(parse, binary ? input.parts.slice(0, 1) : [input.parts[0].slice(0, 1_000)]);
}
const all = [];
for (const { parser, parts } of inputs) all.push(await taken(PARSERS[parser], parts));
console.log(JSON.stringify(all));
