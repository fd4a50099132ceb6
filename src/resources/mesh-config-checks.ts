/** What admission asks of the mesh-wide settings: a slip there would change every policy in silence. */
import { parse } from 'yaml';
import { z } from 'zod';
import type { Fault } from '../model/config.ts';
import { duration, flag, integer, text, texts } from './fields.ts';
import { MAX_BODY_BYTES, readAuthorizers } from './extension-providers.ts';
import { issueFaults, pathText } from './define.ts';

const exportTo = texts.optional();

/** The settings that this version reads, or keeps for a later one with their types checked. */
const known = {
  trustDomain: text.min(1, { error: 'trustDomain is empty' }).optional(),
  trustDomainAliases: texts.optional(),
  pathNormalization: z
    .strictObject({
      normalization: z
        .enum(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'])
        .optional(),
    })
    .optional(),
  outboundTrafficPolicy: z
    .looseObject({
      mode: z.enum(['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS']).optional(),
    })
    .optional(),
  rootNamespace: text
    .regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, { error: 'want the name of a namespace' })
    .optional(),
  connectTimeout: duration.optional(),
  enableAutoMtls: flag.optional(),
  defaultServiceExportTo: exportTo,
  defaultVirtualServiceExportTo: exportTo,
  defaultDestinationRuleExportTo: exportTo,
  defaultHttpRetryPolicy: z
    .strictObject({
      attempts: integer.optional(),
      perTryTimeout: duration.optional(),
      retryOn: text.optional(),
      retryRemoteLocalities: flag.optional(),
      retryIgnorePreviousHosts: flag.optional(),
      backoff: duration.optional(),
    })
    .optional(),
  defaultConfig: z
    .looseObject({
      gatewayTopology: z
        .looseObject({
          numTrustedProxies: integer.min(0, { error: 'want 0 or more trusted proxies' }).optional(),
          forwardClientCertDetails: z
            .enum([
              'UNDEFINED',
              'SANITIZE',
              'FORWARD_ONLY',
              'APPEND_FORWARD',
              'SANITIZE_SET',
              'ALWAYS_FORWARD_ONLY',
            ])
            .optional(),
        })
        .optional(),
    })
    .optional(),
  extensionProviders: z.array(z.looseObject({ name: text })).optional(),
};
export const meshConfigSchema: z.ZodType = z.looseObject(known);

/** Admitted, checked, and without effect so far. */
const WITHOUT_EFFECT = ['defaultHttpRetryPolicy'] as const;

const fault = (level: Fault['level'], path: string, message: string): Fault => ({
  code: level === 'info' ? 'LAT0008' : 'IST0106',
  level,
  path,
  message,
});

function providerFaults(settings: Readonly<Record<string, unknown>>): Fault[] {
  const providers = (settings['extensionProviders'] ?? []) as readonly { readonly name: string }[];
  const seen = new Set<string>();
  const unusable = [...readAuthorizers(providers)].flatMap(([name, authorizer]) =>
    authorizer.kind === 'unusable'
      ? [
          fault(
            'warning',
            'data.mesh',
            `extension provider ${name} can't be asked: ${authorizer.reason}; what its policies match is refused`,
          ),
        ]
      : [],
  );
  const repeated = providers.flatMap(({ name }) => {
    const isTwice = seen.has(name);
    seen.add(name);
    return isTwice
      ? [
          fault(
            'error',
            'data.mesh',
            `extensionProviders name ${JSON.stringify(name)} stands twice`,
          ),
        ]
      : [];
  });
  return [...repeated, ...unusable];
}

/** A larger body would be kept whole while an authorizer thinks. */
function bodyFaults(settings: Readonly<Record<string, unknown>>): Fault[] {
  const providers = (settings['extensionProviders'] ?? []) as readonly Provider[];
  return providers.flatMap(({ name, envoyExtAuthzHttp, envoyExtAuthzGrpc }) => {
    const bytes =
      (envoyExtAuthzHttp ?? envoyExtAuthzGrpc)?.includeRequestBodyInCheck?.maxRequestBytes ?? 0;
    return bytes <= MAX_BODY_BYTES
      ? []
      : [
          fault(
            'warning',
            'data.mesh',
            `extension provider ${name}: maxRequestBytes ${bytes} counts as ${MAX_BODY_BYTES}, as much as is kept of a body`,
          ),
        ];
  });
}

interface Asking {
  readonly includeRequestBodyInCheck?: { readonly maxRequestBytes?: number } | null;
}
interface Provider {
  readonly name: string;
  readonly envoyExtAuthzHttp?: Asking | null;
  readonly envoyExtAuthzGrpc?: Asking | null;
}

function unusedSettings(settings: Readonly<Record<string, unknown>>): Fault[] {
  const names = Object.keys(settings).filter(
    (name) => !(name in known) || (WITHOUT_EFFECT as readonly string[]).includes(name),
  );
  return names.map((name) =>
    fault('info', 'data.mesh', `mesh setting ${name} has no effect in this version`),
  );
}

/** Faults of the text under key `mesh` of ConfigMap istio-system/istio. */
export function checkMeshConfig(source: string): Fault[] {
  let settings: unknown;
  try {
    settings = parse(source, { version: '1.1', logLevel: 'error', maxAliasCount: 100 }) ?? {};
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'unreadable';
    return [fault('error', 'data.mesh', `mesh settings are no YAML: ${why}`)];
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    return [fault('error', 'data.mesh', 'mesh settings must be a map')];
  const result = meshConfigSchema.safeParse(settings);
  if (!result.success)
    return result.error.issues.flatMap((issue) =>
      issueFaults(issue, meshConfigSchema, settings).map((found) => ({
        ...found,
        path: 'data.mesh',
        message: `mesh setting ${pathText(issue.path)}: ${found.message}`,
      })),
    );
  const fields = settings as Readonly<Record<string, unknown>>;
  return [...providerFaults(fields), ...bodyFaults(fields), ...unusedSettings(fields)];
}
