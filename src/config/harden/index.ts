/** What in a configuration is weaker than it could be; each finding says what is at stake and what helps. */
import type { AuthorizationPolicySpec, PeerAuthenticationSpec, Resource } from '../../model/api.ts';
import type { AdmittedResource, ResourceKind } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { readMeshConfig } from '../../resources/mesh-config.ts';
import { notEnforced } from '../findings.ts';
import {
  authorizationPolicy,
  httpRoute,
  referenceGrant,
  requestAuthentication,
  virtualService,
} from './authorization.ts';
import type { Weakness } from './codes.ts';
import { diagnosticOf } from './codes.ts';
import { policy } from './front-doors.ts';
import { destinationRule, gateway, peerAuthentication, secret } from './transport.ts';

export type { AuthorityFacts } from './authority.ts';
export { hardenAuthority } from './authority.ts';
export { diagnosticOf, hardenCodes } from './codes.ts';
export { hardenEdge } from './edge.ts';
export type { TokenFacts } from './tokens.ts';
export { hardenTokens } from './tokens.ts';

export interface HardenOptions {
  readonly kinds: readonly ResourceKind[];
  /** Time that certificates are held against. */
  readonly nowMs: number;
}

interface Ground {
  readonly resources: readonly Resource[];
  readonly rootNamespace: string;
  readonly policies: readonly Resource<AuthorizationPolicySpec>[];
  readonly nowMs: number;
}

/** By `group/Kind`. */
const CHECKS: Readonly<Record<string, (resource: never, ground: Ground) => Weakness[]>> = {
  'security.istio.io/PeerAuthentication': peerAuthentication,
  'security.istio.io/AuthorizationPolicy': authorizationPolicy,
  'security.istio.io/RequestAuthentication': requestAuthentication,
  'networking.istio.io/DestinationRule': destinationRule,
  'networking.istio.io/Gateway': gateway,
  'networking.istio.io/VirtualService': virtualService,
  'gateway.networking.k8s.io/HTTPRoute': httpRoute,
  'gateway.networking.k8s.io/ReferenceGrant': referenceGrant,
  'lateen.io/Policy': policy,
  '/Secret': (resource: Resource, { nowMs }: Ground) => secret(resource, nowMs),
};

const nameOf = ({ kind, metadata }: Resource): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;

function ofOne({ resource, placeOf }: AdmittedResource, ground: Ground): Diagnostic[] {
  const check = CHECKS[`${resource.group}/${resource.kind}`] as
    | ((resource: Resource, ground: Ground) => Weakness[])
    | undefined;
  return (check?.(resource, ground) ?? []).map((weakness) =>
    diagnosticOf(weakness, { resource: nameOf(resource), place: placeOf(weakness.path ?? '') }),
  );
}

const isNobodyIn = ({ spec }: Resource<AuthorizationPolicySpec>): boolean =>
  (spec.action ?? 'ALLOW') === 'ALLOW' &&
  (spec.rules ?? []).length === 0 &&
  spec.selector === undefined &&
  spec.targetRef === undefined &&
  (spec.targetRefs ?? []).length === 0;

/** What no single resource says. */
function ofMesh({ resources, rootNamespace, policies }: Ground): Diagnostic[] {
  const { settings, authorizers } = readMeshConfig(resources);
  const config = 'ConfigMap istio-system/istio';
  const found: Diagnostic[] = [];
  const isStrict = resources.some(
    ({ group, kind, metadata, spec }) =>
      group === 'security.istio.io' &&
      kind === 'PeerAuthentication' &&
      metadata.namespace === rootNamespace &&
      (spec as PeerAuthenticationSpec).selector === undefined &&
      (spec as PeerAuthenticationSpec).mtls?.mode === 'STRICT',
  );
  if (!isStrict)
    found.push(
      diagnosticOf({
        code: 'LAT0701',
        message: `no PeerAuthentication in ${rootNamespace} makes mutual TLS STRICT for the mesh`,
      }),
    );
  if (!policies.some((policy) => policy.metadata.namespace === rootNamespace && isNobodyIn(policy)))
    found.push(
      diagnosticOf({ code: 'LAT0724', message: 'no AuthorizationPolicy closes the mesh' }),
    );
  if (settings.pathNormalization === 'NONE')
    found.push(
      diagnosticOf(
        { code: 'LAT0728', message: 'pathNormalization is NONE', path: 'data.mesh' },
        { resource: config },
      ),
    );
  if (settings.outboundPolicy === 'ALLOW_ANY')
    found.push(diagnosticOf({ code: 'LAT0731', message: 'outboundTrafficPolicy is ALLOW_ANY' }));
  for (const [name, authorizer] of authorizers)
    if ('failOpen' in authorizer && authorizer.failOpen)
      found.push(
        diagnosticOf(
          { code: 'LAT0725', message: `provider ${name} has failOpen true`, path: 'data.mesh' },
          { resource: config },
        ),
      );
  return found;
}

/** Fields of security kinds that nothing acts on. */
function unguarded(admitted: readonly AdmittedResource[], options: HardenOptions): Diagnostic[] {
  const guards = admitted.filter(({ resource }) => resource.group === 'security.istio.io');
  return notEnforced(guards, options.kinds).map(({ code, message, path, resource, place }) =>
    diagnosticOf(
      {
        code: 'LAT0729',
        message,
        // Node proxies do enforce it.
        ...(code === 'LAT0114' ? { level: 'info' as const } : {}),
        ...(path === undefined ? {} : { path }),
      },
      { ...(resource === undefined ? {} : { resource }), place },
    ),
  );
}

export function harden(
  admitted: readonly AdmittedResource[],
  options: HardenOptions,
): Diagnostic[] {
  const resources = admitted.map(({ resource }) => resource);
  const policies = resources.filter(
    ({ group, kind }) => group === 'security.istio.io' && kind === 'AuthorizationPolicy',
  ) as Resource<AuthorizationPolicySpec>[];
  const { rootNamespace } = readMeshConfig(resources);
  const ground = { resources, rootNamespace, policies, nowMs: options.nowMs };
  return [
    ...ofMesh(ground),
    ...admitted.flatMap((entry) => ofOne(entry, ground)),
    ...unguarded(admitted, options),
  ];
}
