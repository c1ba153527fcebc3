// Joins the modules of whatever is loaded from dist/ by itself with those that they share: Node 20 takes about half a
// millisecond of CPU for each file. Over bare Node, `import 'keylane'` took 263 ms of CPU and takes 96, a `keylane exec`
// that is answered by the cache 333 and 196 (medians of 7 and 9 rounds in turn, a busy machine). Types, and all that is no
// entry, stay as tsc makes them. No name is shortened: a stack can be read without a map.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { licenceOf } from './licence.mjs';
import { root } from './stamp.mjs';

const FOLDER = fileURLToPath(root);
const [INDEX, CLIENT, SHARD, WALK] = ['src/index', 'src/client/index', 'workers/shard', 'src/store/walk'];
/** What programs import, and what is started as a process or a thread. */
const ENTRIES = [INDEX, CLIENT, SHARD, WALK, 'src/server/index', 'src/cli/main'];

/** To dist/, in place of the entries that tsc has made there. What they share goes to dist/chunks/. */
export async function bundle() {
  /** Of modules. Each is closed under imports, and the first that has a module takes it; what is imported late stays apart. */
  const groups = {};
  const build = await rolldown({
    cwd: FOLDER,
    input: Object.fromEntries(ENTRIES.map((name) => [name, pathOf(name)])),
    platform: 'node',
    tsconfig: 'tsconfig.json',
    resolve: { extensionAlias: { '.js': ['.ts'] } },
    // Packages stay what they are, but zod: two thirds of its 95 files are its messages in languages that nobody here is
    // told anything in. With what we use of it in one file `import 'keylane'` takes 96 ms of CPU in place of 143.
    external: (id) => id !== 'zod' && /^[^./]/.test(id),
    plugins: [groupsOf(groups), inPlace],
    // What one command has at once another may import late: it is the same module.
    checks: { ineffectiveDynamicImport: false },
  });
  await build.write({
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    sourcemap: true,
    banner: ({ name }) => (name === 'zod' ? licenceOf('zod') : ''),
    codeSplitting: {
      groups: [
        { name: 'zod', test: /\/node_modules\/zod\//, priority: 7 },
        { name: 'base', test: (id) => groups.base.has(id), priority: 6 },
        { name: 'wall', test: (id) => groups.wall.has(id), priority: 5 },
        { name: 'engine', test: (id) => groups.engine.has(id), priority: 4 },
        { name: 'restart', test: (id) => groups.restart.has(id), priority: 3 },
        { name: 'flags', test: (id) => groups.flags.has(id), priority: 2 },
        { name: 'commands', test: /\/src\/cli\//, minShareCount: 2, priority: 1 },
      ],
    },
  });
}

/** A plugin that sees which modules are loaded together. */
function groupsOf(groups) {
  return {
    name: 'groups',
    buildEnd() {
      const reached = (name, late = false) => {
        const all = new Set();
        const visit = (id) => {
          if (all.has(id) || !id.endsWith('.ts')) return;
          all.add(id);
          const { importedIds, dynamicallyImportedIds } = this.getModuleInfo(id);
          for (const next of late ? [...importedIds, ...dynamicallyImportedIds] : importedIds) visit(next);
        };
        visit(pathOf(name));
        return all;
      };
      groups.engine = reached(INDEX);
      // A client has these, and no package.
      groups.base = both(groups.engine, reached(CLIENT));
      // Other threads and processes have these.
      groups.wall = both(groups.engine, new Set([...reached(SHARD, true), ...reached(WALK)]));
      // A second process for every long run has this, and nothing else.
      groups.restart = reached('src/cli/restart');
      groups.flags = reached('src/cli/program');
    },
  };
}

function both(some, others) {
  return new Set([...some].filter((id) => others.has(id)));
}

/** In a chunk, `import.meta.url` is still the module's own place in dist/: files lie beside it, threads start from there. */
const inPlace = {
  name: 'in place',
  transform(code, id) {
    const name = id.slice(FOLDER.length).replace(/\.ts$/, '');
    if (!code.includes('import.meta.url') || ENTRIES.includes(name)) return null;
    const here = `new URL('../${name}.js', import.meta.url).href`;
    // Lines stay lines: the map is right but for columns of these.
    return { code: code.replaceAll('import.meta.url', here), map: null };
  },
};

function pathOf(name) {
  return `${FOLDER}${name}.ts`;
}
