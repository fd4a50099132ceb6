/** Resources to the Snapshot of one proxy: pure, and the same bytes whatever the order of the resources. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import { hashName } from '../../lib/hash.ts';
import { keySetName } from '../../lib/key-set-name.ts';
import type {
  EndpointSliceSpec,
  RequestAuthenticationSpec,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  SidecarSpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { CompileInput, CompileResult } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { Listener, Snapshot } from '../../model/snapshot.ts';
import { gatewayApiOf } from '../gateway-api/resolve.ts';
import { API_GROUP } from '../gateway-api/words.ts';
import { readMeshConfig } from '../../resources/mesh-config.ts';
import { compileClusters } from './clusters.ts';
import type { CompileContext } from './context.ts';
import { Origins } from './context.ts';
import { compileApiGateway } from './gateway-api/gateway.ts';
import { compileGateway } from './gateways.ts';
import { mergeListeners } from './merge-listeners.ts';
import { byAge } from './names.ts';
import { compileWorkloadFilters } from './policies.ts';
import { createRegistry } from './services.ts';
import { compileInbound } from './inbound.ts';
import { sidecarScope } from './sidecar-scope.ts';
import { compileOutbound } from './sidecars.ts';

function createContext(input: CompileInput, compilers: readonly PolicyCompiler[]): CompileContext {
  // Two APIs have a Gateway.
  const byKind = Map.groupBy(
    input.resources.filter(({ group }) => group !== API_GROUP).sort(byAge),
    (resource) => resource.kind,
  );
  const resources = <Spec>(kind: string): readonly Resource<Spec>[] =>
    (byKind.get(kind) ?? []) as readonly Resource<Spec>[];
  const config = readMeshConfig(input.resources);
  const sidecar = sidecarScope(resources<SidecarSpec>('Sidecar'), input.scope, config);
  // A gateway has no Sidecar.
  const isMesh = input.scope.type !== 'gateway';
  const { outboundPolicy } = isMesh ? sidecar : config.settings;
  const mesh = { ...config, settings: { ...config.settings, outboundPolicy } };
  const diagnostics: Diagnostic[] = [];
  return {
    mesh,
    scope: input.scope,
    compilers,
    diagnostics,
    sidecar,
    origins: new Origins(),
    called: new Set(),
    resources,
    gatewayApi: gatewayApiOf(input.resources, mesh.settings.domain),
    registry: createRegistry(
      {
        serviceEntries: resources<ServiceEntrySpec>('ServiceEntry'),
        services: resources<ServiceSpec>('Service'),
        workloadEntries: resources<WorkloadEntrySpec>('WorkloadEntry'),
        endpointSlices: resources<EndpointSliceSpec>('EndpointSlice'),
      },
      mesh,
    ),
  };
}

/** Servers of Istio's Gateways come before listeners of the Gateway API. */
function compileGateways(context: CompileContext): { listeners: Listener[]; used: Set<string> } {
  const filters = compileWorkloadFilters(context);
  const { listeners, used } = compileGateway(context, filters);
  const api = compileApiGateway(context.gatewayApi, context, filters);
  return {
    listeners: mergeListeners(listeners, api.listeners, context.diagnostics),
    used: new Set([...used, ...api.used]),
  };
}

function compileListeners(context: CompileContext): { listeners: Listener[]; used: Set<string> } {
  switch (context.scope.type) {
    case 'gateway':
      return compileGateways(context);
    case 'sidecar-outbound':
      return compileOutbound(context);
    case 'sidecar-inbound':
      return compileInbound(context, compileWorkloadFilters(context));
    default:
      return context.scope.type satisfies never;
  }
}

function jwksUris(context: CompileContext): string[] {
  const rules = context
    .resources<RequestAuthenticationSpec>('RequestAuthentication')
    .flatMap((resource) => resource.spec.jwtRules ?? []);
  const uris = rules.filter((rule) => (rule.jwks ?? '') === '').map((rule) => keySetName(rule));
  return [...new Set(uris)].filter((uri) => uri !== '').sort();
}

export function compile(input: CompileInput, compilers: readonly PolicyCompiler[]): CompileResult {
  const context = createContext(input, compilers);
  const { listeners, used } = compileListeners(context);
  const { clusters, endpoints } = compileClusters(context, new Set([...used, ...context.called]));
  const snapshot: Snapshot = {
    format: 1,
    scope: input.scope,
    mesh: context.mesh.settings,
    listeners,
    clusters,
  };
  return {
    named: { version: hashName(canonicalJson(snapshot)), snapshot },
    endpoints: { version: hashName(canonicalJson({ clusters: endpoints })), clusters: endpoints },
    jwksUris: jwksUris(context),
    resources: context.origins.resources,
    diagnostics: context.diagnostics,
  };
}
