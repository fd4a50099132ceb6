/** Shapes of the authority's routes, as the OpenAPI document shows them. */
import { z } from '@hono/zod-openapi';

type Schema = z.ZodType;

const MAX_PEM = 65_536;
const pem = z.string().min(1).max(MAX_PEM);
const name = z.string().min(1).max(2048);

export const materialBody: z.ZodType<{
  root: string;
  chain: string;
  key?: string | undefined;
}> = z
  .strictObject({
    root: pem.openapi({ description: 'PEM of the root certificate' }),
    chain: pem.openapi({ description: 'PEM: the issuing certificate, then those below the root' }),
    key: pem.optional().openapi({
      description: 'PEM (PKCS#8) of the issuing key; absent: the chain answers the newest request',
    }),
  })
  .openapi('AuthorityMaterial');

export const denyBody: z.ZodType<{
  serial?: string | undefined;
  identity?: string | undefined;
  reason?: string | undefined;
}> = z
  .strictObject({
    serial: z.string().max(128).optional().openapi({ description: 'hex; colons are let in' }),
    identity: name.optional().openapi({ example: 'cluster.local/ns/shop/sa/cart' }),
    reason: z.string().max(500).optional(),
  })
  .openapi('Denial');

export const undenyQuery: z.ZodType<{
  serial?: string | undefined;
  identity?: string | undefined;
}> = z.object({ serial: z.string().max(128).optional(), identity: name.optional() });

export const issuedQuery: z.ZodType<{
  identity?: string | undefined;
  serial?: string | undefined;
  ended?: 'true' | 'false' | undefined;
  limit?: number | undefined;
  after?: string | undefined;
}> = z.object({
  identity: name.optional(),
  serial: z.string().max(128).optional(),
  ended: z.enum(['true', 'false']).optional().openapi({ description: 'those that ended too' }),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
  after: z.string().max(128).optional().openapi({ description: '`next` of the page before' }),
});

export const federationBody: z.ZodType<{
  trustDomain: string;
  url?: string | undefined;
  bundle?: string | undefined;
}> = z
  .strictObject({
    trustDomain: z.string().min(1).max(255),
    url: z.string().max(2048).optional().openapi({ description: 'bundle endpoint (https_web)' }),
    bundle: z
      .string()
      .max(1_048_576)
      .optional()
      .openapi({ description: 'the bundle itself, JWKS' }),
  })
  .openapi('FederationRequest');

export const advanceBody: z.ZodType<{ force?: boolean | undefined }> = z.strictObject({
  force: z
    .boolean()
    .optional()
    .openapi({ description: 'go on and cut off those who are not ready' }),
});

export const tokenKeyBody: z.ZodType<{ replace?: boolean | undefined }> = z.strictObject({
  replace: z.boolean().optional().openapi({
    description: 'the new key signs at once and the others are dropped, with every token of theirs',
  }),
});

const certificate = z
  .object({
    subject: z.string(),
    serial: z.string(),
    notBeforeMs: z.int(),
    notAfterMs: z.int(),
    sha256: z.string(),
  })
  .openapi('CertificateStatus');

export const statusAnswer: Schema = z
  .object({
    trustDomain: z.string(),
    aliases: z.array(z.string()),
    signer: z
      .object({
        generation: z.int(),
        key: z.enum(['P-256', 'P-384', 'RSA']),
        chain: z.array(certificate),
        root: certificate,
        createdMs: z.int(),
        warnings: z.array(z.string()),
      })
      .optional(),
    roots: z.array(certificate).openapi({ description: 'that proxies are told to believe' }),
    tokenKeys: z.array(z.object({ kid: z.string(), activeMs: z.int() })),
    denied: z.object({ serials: z.int(), identities: z.int() }),
    conditions: z.array(
      z.object({
        type: z.string(),
        status: z.enum(['True', 'False']),
        reason: z.string(),
        message: z.string(),
      }),
    ),
    counters: z.record(z.string(), z.number()),
  })
  .openapi('AuthorityStatus');

export const requestAnswer: Schema = z
  .object({ trustDomain: z.string(), request: z.string().openapi({ description: 'PEM, PKCS#10' }) })
  .openapi('IntermediateRequest');

export const issuedAnswer: Schema = z
  .object({
    items: z.array(
      z.object({
        serial: z.string(),
        identity: z.string(),
        notBeforeMs: z.int(),
        notAfterMs: z.int(),
        actor: z.string(),
        provenBy: z.enum(['join-token', 'oidc', 'renewal', 'operator']),
        keyHash: z.string(),
        generation: z.int(),
      }),
    ),
    next: z.string().optional(),
  })
  .openapi('IssuedCertificates');

export const denied: Schema = z
  .object({
    name: z.string(),
    reason: z.string(),
    actor: z.string(),
    atMs: z.int(),
    untilMs: z.int().optional(),
    identity: z.string().optional(),
    generation: z.int().optional(),
  })
  .openapi('DeniedName');

export const rotationAnswer: Schema = z
  .object({
    stage: z.enum(['steady', 'trusting', 'switched']),
    sinceMs: z.int(),
    signer: z.int(),
    next: z.int().optional(),
    previous: z.int().optional(),
    waitsFor: z.array(z.string()).openapi({ description: 'why the next step would be refused' }),
  })
  .openapi('RootRotation');

export const federationAnswer: Schema = z
  .object({
    trustDomain: z.string(),
    url: z.string().optional(),
    roots: z.int(),
    tokenKeys: z.int(),
    sequence: z.int().optional(),
    refreshHintMs: z.int(),
    changedMs: z.int(),
    fetchedMs: z.int().optional(),
    fault: z.string().optional(),
  })
  .openapi('Federation');

export const bundleAnswer: Schema = z
  .object({
    keys: z.array(z.looseObject({ use: z.string() })),
    spiffe_sequence: z.int(),
    spiffe_refresh_hint: z.int(),
  })
  .openapi('SpiffeBundle');
