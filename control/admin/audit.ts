/** The audit log: pages with filters, all of it as a line an entry, and its ends. */
import { z } from '@hono/zod-openapi';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { AuditEntry, AuditLog } from '../../src/model/store.ts';
import type { App, Ctx, Services } from './context.ts';
import { permit } from './context.ts';
import { describe } from './describe.ts';
import { readQuery } from './input.ts';
import { auditEnds, auditPage } from './schemas.ts';

const MAX_PAGE = 500;
/** Entries read from the log at once. */
const BATCH = 500;
/** So many are looked through for one page: a filter that nothing meets ends. */
const MAX_SCANNED = 20_000;

interface Filter {
  readonly limit?: number | undefined;
  readonly before?: number | undefined;
  readonly actor?: string | undefined;
  readonly status?: number | undefined;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

const query: z.ZodType<Filter> = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).optional(),
  before: z.coerce.number().int().min(0).optional().openapi({ description: 'older than that' }),
  actor: z.string().max(253).optional(),
  status: z.coerce.number().int().optional(),
  method: z.string().max(16).optional(),
  path: z.string().max(512).optional().openapi({ description: 'what the path begins with' }),
  since: z.coerce.number().int().optional().openapi({ description: 'ms since 1970' }),
  until: z.coerce.number().int().optional().openapi({ description: 'ms since 1970' }),
});

const exportQuery: z.ZodType<{ after?: number | undefined }> = z.object({
  after: z.coerce.number().int().min(0).optional().openapi({ description: 'seq; newer than that' }),
});

function meets(entry: AuditEntry, filter: Filter): boolean {
  const { actor, status, method, path, since = 0, until = Number.MAX_SAFE_INTEGER } = filter;
  return (
    (actor === undefined || entry.actor === actor) &&
    (status === undefined || entry.status === status) &&
    (method === undefined || entry.method === method) &&
    (path === undefined || entry.path.startsWith(path)) &&
    entry.atMs >= since &&
    entry.atMs <= until
  );
}

async function find(audit: AuditLog, filter: Filter): Promise<readonly AuditEntry[]> {
  const { limit = 50 } = filter;
  const found: AuditEntry[] = [];
  let { before } = filter;
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += BATCH) {
    const entries = await audit.list({ limit: BATCH, ...(before === undefined ? {} : { before }) });
    found.push(...entries.filter((entry) => meets(entry, filter)));
    before = entries.at(-1)?.seq;
    if (found.length >= limit || entries.length < BATCH) break;
  }
  return found.slice(0, limit);
}

/** Read as fast as it is taken: a slow reader costs one batch. */
function linesOf(audit: AuditLog, start: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let after = start;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const entries = await audit.read({ after, limit: BATCH });
      if (entries.length === 0) {
        controller.close();
        return;
      }
      after = entries.at(-1)?.seq ?? after;
      controller.enqueue(
        encoder.encode(entries.map((entry) => `${canonicalJson(entry)}\n`).join('')),
      );
    },
  });
}

const permitAudit = (c: Ctx): void => permit(c, 'list', { kind: 'audit' });

export function auditRoutes(app: App, { deps: { audit } }: Services): void {
  describe(app, {
    method: 'get',
    path: '/v1/audit',
    summary: `who did or was refused what; newest first. Filters look through the last ${MAX_SCANNED} entries`,
    role: 'security-admin',
    query: query as z.ZodObject,
    answer: auditPage,
  });
  app.get('/v1/audit', async (c) => {
    permitAudit(c);
    return c.json({ items: await find(audit, readQuery(c, query)) });
  });
  describe(app, {
    method: 'get',
    path: '/v1/audit/export',
    summary: 'all that is kept, oldest first: a line an entry, whose SHA-256 the next one holds',
    role: 'security-admin',
    query: exportQuery as z.ZodObject,
    answer: z.string(),
    answerType: 'application/jsonl',
  });
  app.get('/v1/audit/export', (c) => {
    permitAudit(c);
    const { after = 0 } = readQuery(c, exportQuery);
    return c.body(linesOf(audit, after), 200, { 'content-type': 'application/jsonl' });
  });
  describe(app, {
    method: 'get',
    path: '/v1/audit/ends',
    summary: 'the last entry and the last one dropped, by number and hash',
    role: 'security-admin',
    answer: auditEnds,
  });
  app.get('/v1/audit/ends', async (c) => {
    permitAudit(c);
    return c.json(await audit.ends());
  });
}
