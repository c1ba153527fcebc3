import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { KeylaneError } from '../../index.js';
import type { App } from '../parts.js';

/** Where the build has put the dashboard. */
const PAGE = new URL('../page/', import.meta.url);

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing but our own files, no inline code, in nobody's frame: text of a peer that got through as markup could do nothing. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Asked for each time, and answered by a 304: a new version of the service is a new page at once.
  'cache-control': 'no-cache',
};

interface Asset {
  type: string;
  etag: string;
  bytes: Buffer;
}

/** The dashboard: files that hold no data. What they show they ask of the API, with the token of whoever looks. */
export function pageRoutes(app: App): void {
  let assets: Promise<ReadonlyMap<string, Asset>> | undefined;
  const send = async (name: string, request: FastifyRequest, reply: FastifyReply) => {
    // At first use: a service that nobody looks at holds none of it.
    assets ??= readAssets();
    const asset = (await assets).get(name);
    if (!asset) throw new KeylaneError('ERR_NOT_FOUND', 'there is no such file of the dashboard');
    reply.headers(HEADERS).header('etag', asset.etag);
    if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send();
    return reply.type(asset.type).send(asset.bytes);
  };
  app.get('/', { config: { needs: 'nothing' } }, (request, reply) => send('index.html', request, reply));
  app.get('/docs', { config: { needs: 'nothing' } }, (request, reply) => send('docs.html', request, reply));
  app.get<{ Params: { file: string } }>('/page/:file', { config: { needs: 'nothing' } }, (request, reply) =>
    send(request.params.file, request, reply),
  );
}

/** By name. What is asked for is looked up here, never on the disk. */
async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const names = (await readdir(PAGE)).filter((name) => extname(name) in TYPES);
  const read = async (name: string): Promise<[string, Asset]> => {
    const bytes = await readFile(new URL(name, PAGE));
    const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
    return [name, { type: TYPES[extname(name)] ?? '', etag: `"${digest}"`, bytes }];
  };
  return new Map(await Promise.all(names.map(read)));
}
