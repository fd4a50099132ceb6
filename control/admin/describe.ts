/** Describes routes for the OpenAPI document in few words. */
import { createRoute } from '@hono/zod-openapi';
import type { RouteConfig, z } from '@hono/zod-openapi';
import type { Role } from '../auth.ts';
import type { App } from './context.ts';
import { documents, problem, sources } from './schemas.ts';

type Method = 'get' | 'post' | 'put' | 'delete';

export interface Described {
  readonly method: Method;
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  readonly role: Role | 'nobody';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** The body is documents. */
  readonly takesDocuments?: boolean;
  /** @default 200 */
  readonly status?: number;
  readonly answer?: z.ZodType;
  readonly answerType?: string;
  /** Refusals besides 401 and 403. */
  readonly refusals?: Readonly<Record<number, string>>;
}

const PARAMETER = /\{(\w+)\}/g;

function responses(route: Described): RouteConfig['responses'] {
  const refusal = (description: string): RouteConfig['responses'][string] => ({
    description,
    content: { 'application/problem+json': { schema: problem } },
  });
  const refusals = {
    ...(route.role === 'nobody'
      ? {}
      : {
          401: 'no token, or one that is not known',
          403: `the role is not ${route.role}, or it is of other namespaces`,
        }),
    ...route.refusals,
  };
  return {
    [route.status ?? 200]: {
      description: 'done',
      ...(route.answer === undefined
        ? {}
        : { content: { [route.answerType ?? 'application/json']: { schema: route.answer } } }),
    },
    ...Object.fromEntries(
      Object.entries(refusals).map(([status, text]) => [status, refusal(text)]),
    ),
  };
}

/** Adds one route to the document; its handler stands beside, on the app. */
export function describe(app: App, route: Described): void {
  const parameters = [...route.path.matchAll(PARAMETER)].map(([, name]) => ({
    name: name ?? '',
    in: 'path' as const,
    required: true,
    schema: { type: 'string' as const },
  }));
  const body =
    route.takesDocuments === true
      ? { 'application/yaml': { schema: documents }, 'application/json': { schema: sources } }
      : route.body === undefined
        ? undefined
        : { 'application/json': { schema: route.body } };
  app.openAPIRegistry.registerPath(
    createRoute({
      method: route.method,
      path: route.path,
      summary: `${route.summary} (${route.role})`,
      security: route.role === 'nobody' ? [] : [{ bearer: [] }],
      ...(parameters.length === 0 ? {} : { parameters }),
      request: {
        ...(route.query === undefined ? {} : { query: route.query }),
        ...(body === undefined ? {} : { body: { required: true, content: body } }),
      },
      responses: responses(route),
    }),
  );
}
