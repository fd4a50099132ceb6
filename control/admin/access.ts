/** What a credential is and may do: its holder asks for itself alone. */
import { z } from '@hono/zod-openapi';
import { kinds } from '../../src/presets/control.ts';
import type { Target, Verb } from '../access/rights.ts';
import {
  AREAS,
  VERBS,
  dependsOnContent,
  isClusterWide,
  kindOf,
  refusalOf,
} from '../access/rights.ts';
import { Problem } from '../problem.ts';
import type { App } from './context.ts';
import { describe } from './describe.ts';
import { readJson } from './input.ts';

interface Question {
  readonly verb: Verb;
  readonly kind: string;
  readonly group?: string | undefined;
  readonly namespace?: string | undefined;
}

const question: z.ZodType<Question> = z.strictObject({
  verb: z.enum(VERBS),
  kind: z
    .string()
    .min(1)
    .max(128)
    .openapi({ description: `a Kind, or ${AREAS.join(', ')}` }),
  group: z
    .string()
    .max(253)
    .optional()
    .openapi({ description: "of a Kind that several have; '' for core" }),
  namespace: z.string().min(1).max(63).optional().openapi({ description: 'absent: all of them' }),
});

const canI: z.ZodType = z
  .object({
    allowed: z.boolean(),
    reason: z.string().optional().openapi({ description: 'why not' }),
    note: z.string().optional(),
  })
  .openapi('AccessAnswer');

const whoami: z.ZodType = z
  .object({
    name: z.string(),
    role: z.string(),
    namespaces: z.array(z.string()).optional().openapi({ description: 'absent: all' }),
    tokenId: z.string().optional(),
    expiresMs: z.int().optional(),
    serial: z.string().optional().openapi({ description: 'of its certificate' }),
    by: z.enum(['bootstrap', 'token', 'session', 'certificate']),
    scopes: z.array(z.unknown()).optional(),
  })
  .openapi('Whoami');

/** @throws Problem 400 when nothing is called so */
function targetsOf({ kind, group, namespace }: Question): Target[] {
  const within = namespace === undefined ? {} : { namespace };
  if (AREAS.some((area) => area === kind)) return [{ kind, ...within }];
  const named = kinds.filter(
    (known) => known.kind === kind && (group === undefined || known.group === group),
  );
  if (named.length === 0)
    throw new Problem(
      400,
      'bad request',
      `kind ${kind}: want a kind of the mesh, or one of ${AREAS.join(', ')}`,
    );
  return named.map((known) => {
    const full = kindOf(known);
    return { kind: full, ...(isClusterWide(full) ? {} : within) };
  });
}

const CONTENT = 'one that is a matter of security by its content needs security-admin';

export function accessRoutes(app: App): void {
  describe(app, {
    method: 'post',
    path: '/v1/access/can-i',
    summary: 'may who asks do that? Of a Kind that several groups have: all of them',
    role: 'viewer',
    body: question,
    answer: canI,
    refusals: { 400: 'no such verb or kind' },
  });
  app.post('/v1/access/can-i', async (c) => {
    const asked = await readJson(c, question);
    const targets = targetsOf(asked);
    const reason = targets
      .map((target) => refusalOf(c.get('principal'), asked.verb, target))
      .find((text) => text !== undefined);
    if (reason !== undefined) return c.json({ allowed: false, reason });
    const { role } = c.get('principal');
    const isUncertain = role === 'editor' && targets.some(({ kind }) => dependsOnContent(kind));
    return c.json({ allowed: true, ...(isUncertain ? { note: CONTENT } : {}) });
  });
  describe(app, {
    method: 'get',
    path: '/v1/access/whoami',
    summary: 'who asks, with what role, where and until when',
    role: 'viewer',
    answer: whoami,
  });
  app.get('/v1/access/whoami', (c) => {
    const { scopes, ...principal } = c.get('principal');
    return c.json({ ...principal, ...(scopes.length === 0 ? {} : { scopes }) });
  });
}
