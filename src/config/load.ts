import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { KeylaneError } from '../errors.js';
import { type EngineOptions, resolveOptions } from '../options.js';
import { SSH_DEFAULTS } from '../specs/ssh-defaults.js';
import { type Problem, pathOf, problemsOf } from '../util/check.js';
import { entriesOf } from './entries.js';
import { type FoundFile, findFiles, readFile, type Surroundings, userFile } from './files.js';
import { problemsOfGroups } from './groups.js';
import { hinted } from './hints.js';
import { isObject, type Layer, type Merged, merge, type Path, type Tree } from './merge.js';
import { wordsOf } from './origins.js';
import { absolutePaths } from './paths.js';
import { configSchema } from './schema.js';
import { borrowedTrust, foreign, untrusted } from './trust.js';
import type { Config, ConfigFile, ConfigOrigin } from './types.js';
import { variablesLayer } from './variables.js';

/** What a configuration is made of. */
export interface LoadConfigOptions {
  /** Where the project's file is looked for, upwards. @default the folder of this process */
  cwd?: string;
  /** @default the variables of this process */
  env?: Readonly<Record<string, string | undefined>>;
  /** What weighs more than anything else. */
  flags?: ConfigFile;
  /** What weighs less than anything else, and goes before keylane's own defaults. */
  defaults?: ConfigFile;
  /** One file instead of those that are found; `none`: no file. @default the variable KEYLANE_CONFIG, else what is found */
  file?: string;
}

/** Of a file: some 30,000 hosts, a line each; read in a second or two at worst, within 100 MB. */
const MOST_LEXEMES = 200_000;
/** Aliases as often as they are used. */
const MOST_VALUES = 500_000;

/**
 * Reads the configuration. In the order of growing weight: defaults, `keylane.yaml` of the project (the nearest one upwards),
 * `keylane/keylane.yaml` in $XDG_CONFIG_HOME or ~/.config, variables `KEYLANE_…`, flags. Nothing is ever run.
 *
 * @throws KeylaneError `ERR_CONFIG`: one line for each thing that is wrong, with file and line, path, and what was expected.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<Config> {
  const about = surroundings(options);
  return readConfig(findFiles(about), about, options);
}

/** The files that are looked for, the one that weighs least first, and whether they are there. */
export function configFiles(
  options: Pick<LoadConfigOptions, 'cwd' | 'env' | 'file'> = {},
): { kind: FoundFile['kind']; file: string; found: boolean }[] {
  const about = surroundings(options);
  const files = findFiles(about).map(({ kind, file, changedMs }) => ({ kind, file, found: changedMs > 0 }));
  const own = userFile(about.home, about.configHome);
  if (about.named === undefined && !files.some(({ file }) => file === own))
    files.push({ kind: 'user', file: own, found: false });
  return files;
}

export function surroundings({ cwd = process.cwd(), env = process.env, file }: LoadConfigOptions): Surroundings {
  const named = file ?? (env.KEYLANE_CONFIG || undefined);
  return { cwd, home: env.HOME || homedir(), configHome: env.XDG_CONFIG_HOME, named };
}

/** The configuration of these files, and of the variables and flags. */
export async function readConfig(
  files: readonly FoundFile[],
  { cwd, home }: Surroundings,
  { env = process.env, flags = {}, defaults = {} }: LoadConfigOptions,
): Promise<Config> {
  const problems: string[] = [];
  const add = (layer: Layer, base: string): Layer => {
    problems.push(...problemsIn(layer.values, layer.originOf));
    absolutePaths(layer.values, base, home);
    return layer;
  };
  let project: Layer | undefined;
  const layers = [add(programLayer(defaults, { from: 'default' }), cwd)];
  for (const found of files) {
    const { layer, isForeign } = await fileLayer(found);
    if (isForeign) problems.push(...foreign(layer));
    if (found.kind === 'project') {
      project = layer;
      problems.push(...untrusted(layer));
    }
    layers.push(add(layer, dirname(found.file)));
  }
  const variables = variablesLayer(env, configSchema);
  problems.push(...variables.problems);
  absolutePaths(variables.values, cwd, home);
  layers.push(variables, add(programLayer(flags, { from: 'flag' }), cwd));
  refuse(problems);
  const merged = merge(layers);
  const own = files.find(({ kind }) => kind === 'user')?.file;
  if (project && own !== undefined) refuse(borrowedTrust(project, merged, own));
  return configOf(
    merged,
    files.map(({ file }) => file),
  );
}

function configOf(merged: Merged, files: readonly string[]): Config {
  refuse(problemsIn(merged.values, merged.originOf));
  const { groups = {}, inventories = [], serve = {}, ...rest } = merged.values as ConfigFile;
  refuse([...contradictions(groups, rest, merged), ...told(problemsOfGroups(merged.values), merged.originOf)]);
  const limits = Object.entries(groups).flatMap(([name, { limit }]) => (limit === undefined ? [] : [[name, limit]]));
  const engine: EngineOptions = {
    ...rest,
    ...(limits.length > 0 && {
      limits: { ...rest.limits, groups: { ...rest.limits?.groups, ...Object.fromEntries(limits) } },
    }),
  };
  const resolved = resolvedBy(engine, merged);
  // Limits of groups are told where they were said.
  const all = {
    ...resolved,
    limits: { ...resolved.limits, groups: rest.limits?.groups },
    ssh: { ...SSH_DEFAULTS, ...resolved.ssh },
  } as Tree;
  return deepFreeze({
    engine,
    groups,
    inventories,
    serve,
    allowCommands: rest.allowCommands ?? false,
    files,
    entries: () => entriesOf(merged, all, Object.keys(configSchema.shape)),
  });
}

/** Bounds that cannot both hold are told by where the narrower was said. */
function resolvedBy(engine: EngineOptions, merged: Merged): ReturnType<typeof resolveOptions> {
  try {
    return resolveOptions(engine);
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    const lines = error.message.split('\n').map((line) => {
      const [, path, says] = /^createEngine\.([^:]+): (.*)$/s.exec(line) ?? [];
      if (path === undefined || says === undefined) return line;
      return `${wordsOf(merged.originOf(path.split('.')))}: ${path}: ${says}`;
    });
    throw new KeylaneError('ERR_CONFIG', lines.join('\n'), { cause: error });
  }
}

function contradictions(groups: NonNullable<ConfigFile['groups']>, { limits }: ConfigFile, merged: Merged): string[] {
  return Object.entries(groups).flatMap(([name, { limit }]) => {
    const other = limits?.groups?.[name];
    if (limit === undefined || other === undefined || limit === other) return [];
    const [here, there] = [
      ['groups', name, 'limit'],
      ['limits', 'groups', name],
    ];
    const says = `${limit} contradicts ${pathOf('', there)} (${other}, ${wordsOf(merged.originOf(there))}); say it once`;
    return [`${wordsOf(merged.originOf(here))}: ${pathOf('', here)}: ${says}`];
  });
}

function problemsIn(values: Tree, originOf: (path: Path) => ConfigOrigin | undefined): string[] {
  return told(problemsOf(configSchema, values), originOf);
}

/** Problems as lines of text, in the order of the lines that they are about. */
function told(problems: readonly Problem[], originOf: (path: Path) => ConfigOrigin | undefined): string[] {
  return problems
    .map((problem) => {
      const { path } = problem;
      const origin = originOf(path);
      const name = path.length > 0 ? `${pathOf('', path)}: ` : '';
      return { line: origin?.from === 'file' ? origin.line : 0, text: `${wordsOf(origin)}: ${name}${hinted(problem)}` };
    })
    .sort((a, b) => a.line - b.line)
    .map(({ text }) => text);
}

/** What a program says by itself. */
function programLayer(values: ConfigFile, origin: ConfigOrigin): Layer {
  return { values: structuredClone(values) as Tree, originOf: () => origin };
}

async function fileLayer(found: FoundFile): Promise<{ layer: Layer; isForeign: boolean }> {
  const { text, foreign: isForeign } = readFile(found);
  // The parser is loaded where there is something to parse: it takes longer than all else.
  const { parseYaml } = await import('../util/yaml.js');
  const { value, lineOf } = parseYaml(text, found.file, { mostLexemes: MOST_LEXEMES, mostValues: MOST_VALUES });
  const originOf = (path: Path): ConfigOrigin => ({ from: 'file', file: found.file, line: lineOf(path) });
  if (value !== null && !isObject(value))
    throw new KeylaneError('ERR_CONFIG', `${found.file}:1: expected options by name, as in \`shards: 4\``);
  return { layer: { values: (withoutNothing(value) ?? {}) as Tree, originOf }, isForeign };
}

/** A name with nothing after it says nothing: all below it may be commented out. Aliases become values of their own. */
function withoutNothing(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNothing);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([name, inner]) => [name, withoutNothing(inner)]),
  );
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new KeylaneError('ERR_CONFIG', [...new Set(problems)].join('\n'));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
