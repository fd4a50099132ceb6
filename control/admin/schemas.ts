/** Shapes of the admin API, as its OpenAPI document shows them. */
import { z } from '@hono/zod-openapi';

type Schema = z.ZodType;

const place: Schema = z.object({ file: z.string(), line: z.int(), column: z.int() });

export const diagnostic: Schema = z
  .object({
    code: z.string().openapi({ example: 'IST0101' }),
    level: z.enum(['error', 'warning', 'info']),
    message: z.string(),
    path: z.string().optional(),
    pointer: z.string().optional().openapi({ description: 'JSON pointer of the same place' }),
    resource: z.string().optional(),
    place: place.optional(),
    remedy: z.string().optional(),
  })
  .openapi('Diagnostic');

export const problem: Schema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    errors: z.array(diagnostic).optional(),
  })
  .openapi('Problem');

export const condition: Schema = z
  .object({
    type: z.string().openapi({ description: 'Accepted, ResolvedRefs, Enforced, Programmed, ...' }),
    status: z.enum(['True', 'False', 'Unknown']),
    reason: z.string(),
    message: z.string(),
    lastTransitionTime: z.string(),
    observedGeneration: z.int(),
  })
  .openapi('Condition');

const reference = z.looseObject({ name: z.string() }).openapi('Reference');
const judged = { controllerName: z.string(), conditions: z.array(condition) } as const;

const listenerStatus = z
  .object({
    name: z.string(),
    port: z.int(),
    supportedKinds: z.array(z.object({ group: z.string(), kind: z.string() })),
    attachedRoutes: z.int(),
    conditions: z.array(condition),
  })
  .openapi('ListenerStatus');

const parentStatus = z.object({ ...judged, parentRef: reference }).openapi('ParentStatus');

export const resource: Schema = z
  .object({
    group: z.string().openapi({ description: "'' for core", example: 'networking.istio.io' }),
    version: z.string(),
    kind: z.string(),
    metadata: z.looseObject({ name: z.string(), namespace: z.string() }),
    spec: z.unknown(),
    data: z.record(z.string(), z.string()).optional(),
    status: z
      .object({
        observedGeneration: z.int(),
        conditions: z.array(condition),
        findings: z.array(diagnostic),
        listeners: z.array(listenerStatus).optional(),
        attachedListenerSets: z.int().optional(),
        parents: z.array(parentStatus).optional(),
        ancestors: z.array(z.object({ ...judged, ancestorRef: reference })).optional(),
        supportedFeatures: z.array(z.object({ name: z.string() })).optional(),
      })
      .optional()
      .openapi({ description: 'of a single resource only' }),
  })
  .openapi('Resource');

export const applyResult: Schema = z
  .object({
    revision: z.int(),
    results: z.array(
      z.object({
        resource: z.string(),
        result: z.enum(['created', 'configured', 'unchanged', 'deleted']),
      }),
    ),
    diagnostics: z.array(diagnostic),
  })
  .openapi('ApplyResult');

export const documents: Schema = z
  .string()
  .openapi('Documents', { description: 'YAML or JSON documents, at most 1 MiB each' });

export const sources: Schema = z
  .object({ sources: z.array(z.object({ file: z.string(), text: z.string() })) })
  .openapi('Sources', { description: 'files by name, so that findings point into them' });

export const changes: Schema = z
  .object({
    changes: z.array(
      z.object({
        key: z.string(),
        op: z.enum(['create', 'update', 'unchanged', 'delete']),
        changes: z.array(
          z.object({
            path: z.string(),
            before: z.unknown().optional(),
            after: z.unknown().optional(),
          }),
        ),
      }),
    ),
  })
  .openapi('Changes');

export const resourcePage: Schema = z
  .object({
    revision: z.int(),
    items: z.array(resource),
    continue: z.string().optional().openapi({ description: 'give it as ?continue= for more' }),
  })
  .openapi('ResourcePage');

export const revision: Schema = z.object({ revision: z.int() }).openapi('Revision');

export const historyPage: Schema = z
  .object({
    items: z.array(
      z.object({
        revision: z.int(),
        atMs: z.int(),
        actor: z.string(),
        message: z.string(),
        changes: z.array(z.object({ op: z.enum(['put', 'delete']), key: z.string() })),
      }),
    ),
  })
  .openapi('HistoryPage');

export const auditEntry: Schema = z
  .object({
    seq: z.int(),
    atMs: z.int(),
    actor: z.string(),
    role: z.string().openapi({ description: 'none: nobody who was known' }),
    method: z.string(),
    path: z.string(),
    status: z.int(),
    tokenId: z.string().optional(),
    source: z.string().optional(),
    requestId: z.string().optional(),
    query: z.string().optional(),
    dryRun: z.literal(true).optional(),
    count: z.int().optional().openapi({ description: 'refusals that this line stands for' }),
    previous: z
      .string()
      .openapi({ description: 'SHA-256 of the canonical JSON of the entry before' }),
  })
  .openapi('AuditEntry');

export const auditPage: Schema = z.object({ items: z.array(auditEntry) }).openapi('AuditPage');

const auditPoint = z.object({ seq: z.int(), hash: z.string() });

export const auditEnds: Schema = z
  .object({
    head: auditPoint.openapi({ description: 'the last entry' }),
    anchor: auditPoint.openapi({ description: 'the last one that was dropped; seq 0: none' }),
  })
  .openapi('AuditEnds');

export const pointer: Schema = z
  .object({ snapshot: z.string(), endpoints: z.string(), keys: z.string() })
  .openapi('Pointer');

const scopeShape: z.ZodObject<{
  type: z.ZodEnum<{
    gateway: 'gateway';
    'sidecar-outbound': 'sidecar-outbound';
    'sidecar-inbound': 'sidecar-inbound';
  }>;
  namespace: z.ZodString;
  name: z.ZodString;
  labels: z.ZodRecord<z.ZodString, z.ZodString>;
  service: z.ZodExactOptional<z.ZodString>;
}> = z.strictObject({
  type: z.enum(['gateway', 'sidecar-outbound', 'sidecar-inbound']),
  namespace: z.string().min(1).max(63),
  name: z.string().min(1).max(253),
  labels: z.record(z.string(), z.string()),
  service: z.string().exactOptional(),
});

/** Whose configuration. */
export const scope: typeof scopeShape = scopeShape.openapi('ProxyScope');

export const proxyPage: Schema = z
  .object({
    items: z.array(
      z.object({
        scope,
        state: z.enum(['SYNCED', 'STALE', 'ERROR', 'NOT SENT']),
        current: pointer,
        instances: z.int().openapi({ description: 'with a live lease' }),
        programmed: z.int().openapi({ description: 'of these, how many run what is current' }),
        runtimes: z
          .object({ edge: z.int(), node: z.int() })
          .openapi({ description: 'of these, how many are gateway workers and Node proxies' }),
        runs: z.string().optional(),
        diagnostics: z.array(diagnostic),
        lastSeenMs: z.int().optional(),
        secretReads: z.int().openapi({ description: 'since this control plane started' }),
      }),
    ),
  })
  .openapi('ProxyPage');

const pem = z.string().exactOptional();

export const secretsAnswer: Schema = z
  .object({
    version: z.string().openapi({ description: 'as pushes say it; nothing follows from it' }),
    secrets: z.record(
      z.string(),
      z.object({ certificate: pem, key: pem, authorities: pem, revoked: pem }),
    ),
  })
  .openapi('Secrets', { description: 'PEM by namespace/name' });

export const token: Schema = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(['viewer', 'operator', 'editor', 'security-admin', 'admin', 'proxy']),
    createdMs: z.int(),
    expiresMs: z.int().optional(),
    namespaces: z.array(z.string()).optional().openapi({ description: 'absent: all' }),
    isSession: z.literal(true).optional().openapi({ description: "made by a person's login" }),
    rotatedFrom: z.string().optional(),
    oldExpiresMs: z
      .int()
      .optional()
      .openapi({ description: 'of a rotation: when the old one ends' }),
    lastUsedMs: z.int().optional().openapi({ description: 'to the minute' }),
    lastSource: z.string().optional(),
    scopes: z.array(scope).optional(),
    serviceAccount: z.string().optional(),
    token: z.string().optional().openapi({ description: 'only in the answer that made it' }),
  })
  .openapi('Token');

export const decision: Schema = z
  .looseObject({
    outcome: z.enum(['forward', 'respond', 'close']),
    trace: z.array(
      z.looseObject({
        step: z.string(),
        name: z.string(),
        outcome: z.enum(['matched', 'passed', 'not-matched', 'denied', 'chosen']),
        detail: z.string().optional(),
        origin: z.object({ resource: z.string(), path: z.string() }).optional(),
        place: place.optional(),
      }),
    ),
    snapshot: z.string(),
    advice: z.array(z.string()).openapi({ description: 'what to change, where it is refused' }),
    isCurrent: z
      .boolean()
      .optional()
      .openapi({ description: 'what the proxy runs is what the newest configuration gives' }),
  })
  .openapi('Decision', { description: 'in the words of the conformance cases' });
