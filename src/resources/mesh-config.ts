/** Mesh-wide settings: ConfigMap istio-system/istio, key mesh. */
import { parse } from 'yaml';
import type { Resource } from '../model/api.ts';
import type { Authorizer } from '../model/authorizer.ts';
import type { ClientCertificateMode, MeshSettings, PathNormalization } from '../model/snapshot.ts';
import { readAuthorizers } from './extension-providers.ts';

export interface MeshConfig {
  readonly settings: MeshSettings;
  /** Policies there hold for the whole mesh. @default istio-system */
  readonly rootNamespace: string;
  readonly connectTimeout: string | undefined;
  /** Sidecars and gateways speak mutual TLS to endpoints that take it. @default true */
  readonly autoMtls: boolean;
  readonly defaultVirtualServiceExportTo: readonly string[];
  readonly defaultServiceExportTo: readonly string[];
  readonly defaultDestinationRuleExportTo: readonly string[];
  /** Extension providers that CUSTOM policies may name. */
  readonly authorizers: ReadonlyMap<string, Authorizer>;
  /** CUSTOM policies of one workload may name several of them. */
  readonly severalAuthorizers: boolean;
  /** Names of extension providers whose kind is deprecated. */
  readonly deprecatedProviders: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const texts = (value: unknown, fallback: readonly string[]): readonly string[] =>
  Array.isArray(value) && value.length > 0 ? value.map(String) : fallback;
const textOr = <T extends string>(value: unknown, fallback: T): T =>
  typeof value === 'string' ? (value as T) : fallback;

function normalization(value: unknown): PathNormalization {
  const name = fields(value)['normalization'];
  if (name === 'NONE' || name === 'MERGE_SLASHES' || name === 'DECODE_AND_MERGE_SLASHES')
    return name;
  return 'BASE';
}

/** Istio has it as a variable of istiod's environment, where a mesh without istiod has none. */
const SEVERAL = 'PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS';
const isOn = (value: unknown): boolean => value === true || value === 'true';

const CLIENT_CERTIFICATE_MODES: readonly unknown[] = [
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
] satisfies readonly ClientCertificateMode[];

const isMode = (value: unknown): value is ClientCertificateMode =>
  CLIENT_CERTIFICATE_MODES.includes(value);

/** Istio's defaults where nothing is said; a text that isn't YAML counts as absent (admission reports it). */
export function readMeshConfig(resources: readonly Resource[]): MeshConfig {
  const config = resources.find(
    ({ kind, metadata }) =>
      kind === 'ConfigMap' && metadata.namespace === 'istio-system' && metadata.name === 'istio',
  );
  let mesh: Fields = {};
  try {
    mesh = fields(parse(config?.data?.['mesh'] ?? '', { version: '1.1', logLevel: 'error' }));
  } catch {
    mesh = {};
  }
  const topology = fields(fields(mesh['defaultConfig'])['gatewayTopology']);
  const hops = topology['numTrustedProxies'];
  const clientCertificates = topology['forwardClientCertDetails'];
  return {
    settings: {
      trustDomain: textOr(mesh['trustDomain'], 'cluster.local'),
      trustDomainAliases: texts(mesh['trustDomainAliases'], []),
      domain: 'cluster.local',
      pathNormalization: normalization(mesh['pathNormalization']),
      outboundPolicy:
        fields(mesh['outboundTrafficPolicy'])['mode'] === 'REGISTRY_ONLY'
          ? 'REGISTRY_ONLY'
          : 'ALLOW_ANY',
      trustedHops: typeof hops === 'number' ? hops : 0,
      ...(isMode(clientCertificates) ? { clientCertificates } : {}),
    },
    severalAuthorizers: isOn(fields(fields(mesh['defaultConfig'])['proxyMetadata'])[SEVERAL]),
    autoMtls: mesh['enableAutoMtls'] !== false,
    authorizers: readAuthorizers(mesh['extensionProviders']),
    rootNamespace: textOr(mesh['rootNamespace'], 'istio-system'),
    deprecatedProviders: (Array.isArray(mesh['extensionProviders'])
      ? mesh['extensionProviders']
      : []
    )
      .map((provider) => fields(provider))
      .filter((provider) => provider['lightstep'] !== undefined)
      .map((provider) => textOr(provider['name'], '')),
    connectTimeout: typeof mesh['connectTimeout'] === 'string' ? mesh['connectTimeout'] : undefined,
    defaultVirtualServiceExportTo: texts(mesh['defaultVirtualServiceExportTo'], ['*']),
    defaultServiceExportTo: texts(mesh['defaultServiceExportTo'], ['*']),
    defaultDestinationRuleExportTo: texts(mesh['defaultDestinationRuleExportTo'], ['*']),
  };
}
