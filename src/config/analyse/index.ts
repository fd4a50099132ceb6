/** Analysis looks at the whole mesh: what each resource by itself can't tell. Codes IST0xxx have Istio's meaning. */
import type { Resource } from '../../model/api.ts';
import type { AdmittedResource } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { API_GROUP } from '../gateway-api/words.ts';
import { analyseAttachedPolicy } from './attached-policies.ts';
import { analyseConditions } from './conditions.ts';
import { analyseConflicts } from './conflicts.ts';
import { analyseCore } from './core.ts';
import { analyseDestinationRule } from './destination-rules.ts';
import { analyseEnvoyFilter } from './envoy-filters.ts';
import { analyseGateway } from './gateways.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { createMeshView } from './mesh.ts';
import { analyseMongoRoutes } from './mongo-routes.ts';
import { analyseTokenEndpoint } from './token-endpoints.ts';
import { analyseDeployment, analysePod } from './pods.ts';
import { analyseAuthentication, analysePolicy, analyseProvider } from './policies.ts';
import { analyseReach } from './reach.ts';
import { analyseReferences } from './references.ts';
import { analyseRetries } from './retries.ts';
import { analyseRules } from './rules.ts';
import { analyseSelector, analyseSidecar, analyseTelemetry } from './selectors.ts';
import { analyseServiceEntry } from './service-entries.ts';
import { analyseIdle, analyseShares, analyseSubsets } from './subsets.ts';

/** By kind; those of the Gateway API have names that Istio's have too. */
const analysers: Readonly<Record<string, readonly Analyser[]>> = {
  VirtualService: [
    analyseReferences,
    analyseRules,
    analyseReach,
    analyseShares,
    analyseConflicts,
    analyseRetries,
  ],
  DestinationRule: [analyseDestinationRule, analyseSubsets, analyseIdle],
  Gateway: [analyseGateway],
  Pod: [analysePod],
  Deployment: [analyseDeployment],
  WasmPlugin: [analyseSelector],
  ServiceEntry: [analyseServiceEntry],
  AuthorizationPolicy: [analysePolicy, analyseProvider, analyseSelector],
  Sidecar: [analyseSidecar],
  Telemetry: [analyseTelemetry],
  EnvoyFilter: [analyseEnvoyFilter],
  RequestAuthentication: [analyseAuthentication, analyseSelector],
  PeerAuthentication: [analyseAuthentication],
  Policy: [analyseAuthentication, analyseAttachedPolicy, analyseMongoRoutes, analyseTokenEndpoint],
  Service: [analyseCore],
  Namespace: [analyseCore],
  ConfigMap: [analyseCore],
};

const SUPPRESS = 'galley.istio.io/analyze-suppress';

/** Codes that a resource's annotation silences; split at commas alone, as Istio does. */
function isSuppressed(resource: Resource, code: string): boolean {
  const listed = (resource.metadata.annotations?.[SUPPRESS] ?? '').split(',');
  return listed.includes(code) || listed.includes('*');
}

function analyseOne({ resource, placeOf }: AdmittedResource, mesh: MeshView): Diagnostic[] {
  const { kind, metadata, group } = resource;
  const ofKind = group === API_GROUP ? [] : (analysers[kind] ?? []);
  const found = [...ofKind, analyseConditions].flatMap((analyser): readonly Finding[] =>
    analyser(resource, mesh),
  );
  return found
    .filter(({ code }) => !isSuppressed(resource, code))
    .map((finding): Diagnostic => {
      const place = placeOf(finding.path ?? '');
      return {
        ...finding,
        resource: `${kind} ${metadata.namespace}/${metadata.name}`,
        ...(place === undefined ? {} : { place }),
      };
    });
}

export function analyse(resources: readonly AdmittedResource[]): Diagnostic[] {
  const mesh = createMeshView(resources.map(({ resource }) => resource));
  return resources.flatMap((resource) => analyseOne(resource, mesh));
}
