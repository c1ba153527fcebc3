import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { KeylaneError } from '../index.js';
import type { App, Needs } from './parts.js';
import { sendProblem } from './problem.js';

/** One route of a service. */
export interface ServiceRoute {
  readonly method: string;
  /** `/v1/batches/:id` */
  readonly path: string;
  readonly needs: Needs;
  /** It takes a body. */
  readonly hasBody: boolean;
  /** What checks the parts of a request that come to it. */
  readonly schema: { body?: z.ZodType; querystring?: z.ZodType; params?: z.ZodType };
}

/** All routes, as the router has been told of them: what is in no list by hand cannot be forgotten. */
export class RouteTable {
  readonly routes: ServiceRoute[] = [];
  readonly #paths = new Map<string, RegExp>();

  /** Before the first route. */
  constructor(app: App) {
    app.addHook('onRoute', ({ method, url, config, schema }) => {
      for (const one of [method].flat())
        this.routes.push({
          method: one,
          path: url,
          needs: config?.needs ?? 'admin',
          hasBody: schema?.body !== undefined || config?.streams === true,
          schema: (schema ?? {}) as ServiceRoute['schema'],
        });
      this.#paths.set(url, new RegExp(`^${url.split('/').map(segment).join('/')}$`));
    });
  }

  /** The methods of a path; none where there is no such path. */
  methodsOf(path: string): string[] {
    const found = this.routes.filter(({ path: known }) => this.#paths.get(known)!.test(path));
    return [...new Set(found.map(({ method }) => method))];
  }
}

/** There is no such path, or it is asked by a method that it has not. */
export function sendNoRoute({ method, url }: FastifyRequest, reply: FastifyReply, table: RouteTable): void {
  const [path = ''] = url.split('?', 1);
  const methods = table.methodsOf(path);
  if (methods.length === 0) {
    sendProblem(reply, new KeylaneError('ERR_NOT_FOUND', `there is no ${path}`));
    return;
  }
  reply.header('allow', methods.join(', '));
  sendProblem(reply, new KeylaneError('ERR_INPUT', `${path} takes ${methods.join(', ')}, not ${method}`), 405);
}

function segment(text: string): string {
  if (text.startsWith(':')) return '[^/]+';
  return text === '*' ? '.*' : text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
