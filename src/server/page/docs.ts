import { byId, el } from './dom.js';

/** Of the OpenAPI document what is shown. */
interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  description?: string;
}

type Content = Record<string, { schema: Schema }>;

interface Operation {
  summary: string;
  description?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema: Schema }[];
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
}

interface OpenApi {
  info: { version: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

void show();

async function show(): Promise<void> {
  const main = byId('api');
  try {
    const answer = await fetch('/openapi.json', { headers: { accept: 'application/json' } });
    if (!answer.ok) throw new Error(`the service says ${answer.status}`);
    const api = (await answer.json()) as OpenApi;
    byId('about').textContent = api.info.version;
    for (const { name } of api.tags) main.append(el('h2', { text: name }), ...operationsOf(api, name));
    main.append(el('h2', { text: 'Shapes' }));
    for (const [name, schema] of Object.entries(api.components.schemas)) main.append(shape(name, schema));
    openTarget();
  } catch (error) {
    main.append(el('p', { class: 'note', text: `The description cannot be read: ${(error as Error).message}` }));
  } finally {
    main.removeAttribute('aria-busy');
  }
}

/** What an address names is opened, also where a link on this page leads there. */
function openTarget(): void {
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!(target instanceof HTMLDetailsElement)) return;
    target.open = true;
    target.scrollIntoView();
  };
  addEventListener('hashchange', open);
  open();
}

function operationsOf({ paths }: OpenApi, tag: string): HTMLElement[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags?.includes(tag))
      .map(([method, told]) => operation(method.toUpperCase(), path, told)),
  );
}

function operation(method: string, path: string, told: Operation): HTMLElement {
  const { summary, description, parameters = [], requestBody, responses } = told;
  const inside = el('div', { class: 'inside' });
  for (const text of (description ?? '').split('\n\n')) inside.append(el('p', { text }));
  if (parameters.length > 0) {
    const rows = parameters.map(({ name, in: place, required, schema, description: says = '' }) => [
      code(name),
      required ? `${place}, required` : place,
      typeOf(schema),
      says,
    ]);
    inside.append(el('h3', { text: 'Parameters' }), table(['name', 'where', 'type', ''], rows));
  }
  if (requestBody) inside.append(el('h3', { text: 'Body' }), ...contents(requestBody.content));
  const answers = Object.entries(responses).map(([status, { description: says, content = {} }]) => [
    code(status),
    says,
    list(Object.entries(content).map(([type, { schema }]) => el('span', {}, code(type), ' ', typeOf(schema)))),
  ]);
  inside.append(el('h3', { text: 'Answers' }), table(['status', '', 'type'], answers));
  return el(
    'details',
    { id: `${method} ${path}` },
    el(
      'summary',
      {},
      el('span', { class: 'method', text: method }),
      el('span', { class: 'path', text: path }),
      el('span', { class: 'says', text: summary }),
    ),
    inside,
  );
}

function contents(content: Content): HTMLElement[] {
  return Object.entries(content).flatMap(([type, { schema }]) => [
    el('p', {}, code(type), ' ', typeOf(schema), ' ', schema.description ?? ''),
    ...(schema.properties ? [fields(schema)] : []),
  ]);
}

function shape(name: string, schema: Schema): HTMLElement {
  return el(
    'details',
    { id: name },
    el(
      'summary',
      {},
      el('span', { class: 'path', text: name }),
      el('span', { class: 'says', text: schema.description ?? '' }),
    ),
    el('div', { class: 'inside' }, fields(schema)),
  );
}

function fields({ properties = {}, required = [] }: Schema): HTMLElement {
  const rows = Object.entries(properties).map(([name, schema]) => [
    code(name),
    required.includes(name) ? 'required' : '',
    typeOf(schema),
    schema.description ?? '',
  ]);
  return table(['field', '', 'type', ''], rows);
}

function table(heads: string[], rows: (Node | string)[][]): HTMLElement {
  const head = el('tr', {}, ...heads.map((text) => el('th', { text, scope: 'col' })));
  const body = rows.map((cells) => el('tr', {}, ...cells.map((cell) => el('td', {}, cell))));
  return el('table', {}, el('thead', {}, head), el('tbody', {}, ...body));
}

function list(items: Node[]): HTMLElement {
  return el('div', {}, ...items.map((item) => el('div', {}, item)));
}

function code(text: string): HTMLElement {
  return el('code', { text });
}

/** A schema in a few words; what has a name is a link to it. */
function typeOf(schema: Schema): Node {
  const { $ref, items, anyOf, oneOf, type, enum: choices, const: only, additionalProperties } = schema;
  if ($ref !== undefined) {
    const name = $ref.split('/').at(-1) ?? '';
    return el('a', { href: `#${encodeURIComponent(name)}`, text: name });
  }
  const several = anyOf ?? oneOf;
  if (several) return joined(several.map(typeOf));
  if (only !== undefined) return code(JSON.stringify(only));
  if (choices) return joined(choices.map((choice) => code(JSON.stringify(choice))));
  if (items) return el('span', {}, 'list of ', typeOf(items));
  if (typeof additionalProperties === 'object' && Object.keys(additionalProperties).length > 0)
    return el('span', {}, 'by name: ', typeOf(additionalProperties));
  return document.createTextNode([type ?? 'anything'].flat().join(' or '));
}

function joined(nodes: Node[]): Node {
  return el('span', {}, ...nodes.flatMap((node, at) => (at === 0 ? [node] : [' or ', node])));
}
