/** Bodies and queries held against their shape; what is wrong comes back with its place. */
import type { z } from '@hono/zod-openapi';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { Problem } from '../problem.ts';
import { parseStrictJson } from '../strict-json.ts';
import type { Ctx } from './context.ts';

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('');
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue): Diagnostic => ({
    code: 'LAT0300',
    level: 'error',
    message: issue.message,
    path: pathText(issue.path),
  }));
  const [first] = errors;
  throw new Problem(
    400,
    'bad request',
    `${what}: ${first?.path ?? ''}${first?.path === '' ? '' : ': '}${first?.message ?? 'not as wanted'}`,
    errors,
  );
}

/** @throws Problem 400 with the places that are wrong. */
export async function readJson<T>(c: Ctx, schema: z.ZodType<T>): Promise<T> {
  return parse(schema, parseStrictJson(await c.req.text()), 'body');
}

/** @throws Problem 400 with the parameters that are wrong. */
export function readQuery<T>(c: Ctx, schema: z.ZodType<T>): T {
  return parse(schema, c.req.query(), 'query');
}
