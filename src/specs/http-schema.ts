import { z } from 'zod';
import { grouped } from '../util/grouped.js';
import { networkProblem } from '../util/networks.js';
import { accessProblem, originProblem, proxyProblem } from './http-access.js';
import { type HeaderMap, headersProblem, methodProblem, urlProblem } from './http-texts.js';
import { named, sshFields } from './ssh-schema.js';

const MOST_KEPT = 1 << 30;
/** Each of them goes with each request whose lane they are a part of. */
const MOST_NETWORKS = 256;

const access = {
  proxy: named(proxyProblem).optional(),
  proxyPassword: sshFields.reference.optional(),
  ca: sshFields.path.optional(),
  cert: sshFields.path.optional(),
  key: sshFields.reference.optional(),
  passphrase: sshFields.reference.optional(),
  servername: named((name) =>
    /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?$/.test(name)
      ? undefined
      : 'expected the name of a host, as a certificate has it',
  ).optional(),
  http2: z.boolean().optional(),
};
const maxBodyBytes = z
  .int('expected a whole number of bytes')
  .min(0, 'expected 0 bytes or more')
  .max(MOST_KEPT, `expected at most ${grouped(MOST_KEPT)} (1 GiB); for more read a stream`)
  .optional();
const redirects = z.int('expected a whole number').min(0).max(20).optional();

const headers = z
  .record(z.string(), z.union([z.string(), z.array(z.string()).max(256)], 'expected a string or a list of strings'))
  .superRefine((value, context) => {
    const message = headersProblem(value as HeaderMap);
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: value });
  });

/** A request of the driver `http`. */
export const httpRequest = z
  .strictObject({
    ...access,
    url: named(urlProblem).max(65_536),
    method: named(methodProblem).optional(),
    headers: headers.optional(),
    body: sshFields.bytes.optional(),
    json: z.unknown().optional(),
    bearer: sshFields.reference.optional(),
    redirects,
    maxBodyBytes,
    events: z.boolean().optional(),
    encoding: z.enum(['utf8', 'buffer']).optional(),
  })
  .superRefine((request, context) => {
    const { method, body, json, bearer } = request;
    const wrong = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message, input: request[field as keyof typeof request] });
    const problem = accessProblem(request);
    if (problem) wrong(problem.field, problem.says);
    if (body !== undefined && json !== undefined) wrong('json', 'expected `body` or `json`, not both');
    if ((body !== undefined || json !== undefined) && method !== undefined && WITHOUT_BODY.has(method))
      wrong(
        body === undefined ? 'json' : 'body',
        `${method} carries no body that a server must read: say another method`,
      );
    const said = Object.keys(request.headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
    if (bearer !== undefined && said) wrong('bearer', 'expected `bearer` or the header `authorization`, not both');
  });

/** RFC 9110 § 9.3.1: what a body of these means is not defined, and it is a way to smuggle requests past a proxy. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE']);

const network = named(networkProblem);
const networks = (one: z.ZodType) =>
  z.array(one).max(MOST_NETWORKS, `expected at most ${MOST_NETWORKS} networks; put them together to larger ones`);
const connections = z.int().min(1).max(10_000).optional();

/** What holds for the fields of an access together. */
function together<S extends z.ZodType<Parameters<typeof accessProblem>[0]>>(schema: S): S {
  return schema.superRefine((value, context) => {
    const problem = accessProblem(value);
    if (problem) context.addIssue({ code: 'custom', path: [problem.field], message: problem.says, input: value });
  });
}

/** The option `http` of an engine. */
export const httpOptions = together(
  z.strictObject({
    ...access,
    deny: z
      .union(
        [z.literal('private'), networks(named((text) => (text === 'private' ? undefined : networkProblem(text))))],
        `expected \`private\` or a list of networks such as 10.0.0.0/8, at most ${MOST_NETWORKS}`,
      )
      .optional(),
    allow: networks(network).optional(),
    origins: z.record(named(originProblem), together(z.strictObject({ ...access, connections }))).optional(),
    connections,
    maxBodyBytes,
    redirects,
  }),
);
