/** Resources to the Snapshot of one proxy: pure, and the same bytes whatever the order of the resources. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import { keySetName } from '../../lib/key-set-name.ts';
import type {
  EndpointSliceSpec,
  RequestAuthenticationSpec,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  SidecarSpec,
  VirtualServiceSpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { CompileInput, CompileResult } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { Listener, ProxyScope, Snapshot } from '../../model/snapshot.ts';
import type { TrustSettings } from '../../model/trust.ts';
import { filtersIn } from '../filters-in.ts';
import { gatewayApiOf } from '../gateway-api/resolve.ts';
import type { MeshConfig } from '../../resources/mesh-config.ts';
import { readMeshConfig } from '../../resources/mesh-config.ts';
import { compileClusters } from './clusters.ts';
import type { CompileContext } from './context.ts';
import { Origins } from './context.ts';
import { compileApiGateway } from './gateway-api/gateway.ts';
import { compileGateway } from './gateways.ts';
import { Memo } from './memo.ts';
import { mergeListeners } from './merge-listeners.ts';
import { Packer } from './parts.ts';
import { compileWorkloadFilters } from './policies.ts';
import { ResourceLists } from './resource-lists.ts';
import { createRegistry } from './services.ts';
import { compileInbound } from './inbound.ts';
import { sidecarScope } from './sidecar-scope.ts';
import { compileOutbound } from './sidecars.ts';

/** Stands for the ConfigMap where there is none. */
const NO_CONFIG = {};

/** Of the mesh, before a Sidecar's word on it. */
function meshConfig(lists: ResourceLists, memo: Memo): MeshConfig {
  const configs = lists.of('ConfigMap');
  const own = configs.filter(
    ({ metadata }) => metadata.namespace === 'istio-system' && metadata.name === 'istio',
  );
  return memo.keep({ owner: own[0] ?? NO_CONFIG, slot: 'mesh', inputs: [] }, () =>
    readMeshConfig(own),
  );
}

/** Of two with one name the older. */
function byName<Spec>(list: readonly Resource<Spec>[]): ReadonlyMap<string, Resource<Spec>> {
  return new Map(
    list
      .toReversed()
      .map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one] as const),
  );
}

interface Sources {
  readonly trust: TrustSettings | undefined;
  readonly lists: ResourceLists;
  readonly memo: Memo;
  readonly compilers: readonly PolicyCompiler[];
}

function createContext(
  scope: ProxyScope,
  { trust, lists, memo, compilers }: Sources,
): CompileContext {
  const resources = <Spec>(kind: string): readonly Resource<Spec>[] => lists.of<Spec>(kind);
  const config = meshConfig(lists, memo);
  const sidecars = resources<SidecarSpec>('Sidecar');
  const sidecar = memo.keep({ owner: sidecars, slot: canonicalJson(scope), inputs: [config] }, () =>
    sidecarScope(sidecars, scope, config),
  );
  // A gateway has no Sidecar.
  const isMesh = scope.type !== 'gateway';
  const { outboundPolicy } = isMesh ? sidecar : config.settings;
  const mesh = memo.keep({ owner: config, slot: outboundPolicy, inputs: [trust] }, () => ({
    ...config,
    settings: { ...config.settings, outboundPolicy, ...(trust === undefined ? {} : { trust }) },
  }));
  const sources = {
    serviceEntries: resources<ServiceEntrySpec>('ServiceEntry'),
    services: resources<ServiceSpec>('Service'),
    workloadEntries: resources<WorkloadEntrySpec>('WorkloadEntry'),
    endpointSlices: resources<EndpointSliceSpec>('EndpointSlice'),
  };
  const registry = memo.keep(
    { owner: config, slot: 'registry', inputs: Object.values(sources) },
    () => createRegistry(sources, config, memo),
  );
  const rules = resources<VirtualServiceSpec>('VirtualService');
  const given = rules.filter(({ spec }) => (spec.hosts?.length ?? 0) === 0);
  const delegates = memo.keep({ owner: config, slot: 'delegates', inputs: given }, () =>
    byName(given),
  );
  const visible = registry.visibleTo(scope.namespace);
  return {
    mesh,
    scope,
    compilers,
    diagnostics: [],
    sidecar,
    origins: new Origins(),
    called: new Set(),
    memo,
    resources,
    gatewayApi: gatewayApiOf(lists.forApi(), config.settings.domain),
    registry,
    service: (host) => visible.get(host),
    delegates,
  };
}

/** Servers of Istio's Gateways first, then listeners of the Gateway API on ports that are left. */
function compileGateways(context: CompileContext): {
  listeners: readonly Listener[];
  used: ReadonlySet<string>;
} {
  const filters = compileWorkloadFilters(context);
  const { listeners, used } = compileGateway(context, filters);
  const api = compileApiGateway(context.gatewayApi, context, filters);
  return {
    listeners: mergeListeners(listeners, api.listeners, context.diagnostics),
    used: new Set([...used, ...api.used]),
  };
}

function compileListeners(context: CompileContext): {
  listeners: readonly Listener[];
  used: ReadonlySet<string>;
} {
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

function jwksUris(context: CompileContext, listeners: readonly Listener[]): string[] {
  const rules = context
    .resources<RequestAuthenticationSpec>('RequestAuthentication')
    .flatMap((resource) => resource.spec.jwtRules ?? []);
  const uris = rules.map((rule) => keySetName(rule));
  const ofParts = filtersIn(listeners).flatMap(({ keySets = [] }) => keySets);
  return [...new Set([...uris, ...ofParts])].filter((uri) => uri !== '').sort();
}

/** Compiles again and again, and does again only what depends on resources that are other objects than before. */
export interface Compiler {
  /** Pure: the same input gives the same bytes, whatever was compiled before. */
  compile(input: CompileInput): CompileResult;
  /** What compile finds, without what it makes. */
  diagnose(input: CompileInput): readonly Diagnostic[];
}

/** Of proxies that nobody asks for any more. */
const MAX_SCOPES = 256;

class MemoCompiler implements Compiler {
  readonly #sources: Omit<Sources, 'trust'>;
  /** What each proxy was sent last, the one asked for last behind the others. */
  readonly #scopes = new Map<string, { readonly scope: ProxyScope; readonly packer: Packer }>();

  constructor(compilers: readonly PolicyCompiler[]) {
    this.#sources = { lists: new ResourceLists(), memo: new Memo(), compilers };
  }

  compile(input: CompileInput): CompileResult {
    const { scope, packer } = this.#scopeOf(input.scope);
    const { context, listeners, used } = this.#listeners(input, scope);
    const { clusters, endpoints } = compileClusters(context, used);
    const snapshot: Snapshot = {
      format: 1,
      scope,
      mesh: context.mesh.settings,
      listeners,
      clusters,
    };
    return {
      ...packer.pack(snapshot, endpoints),
      jwksUris: jwksUris(context, listeners),
      resources: context.memo.keep(
        { owner: scope, slot: 'resources', inputs: context.origins.sources },
        () => context.origins.resources,
      ),
      diagnostics: context.diagnostics,
    };
  }

  diagnose(input: CompileInput): readonly Diagnostic[] {
    const { context, used } = this.#listeners(input, input.scope);
    compileClusters(context, used);
    return context.diagnostics;
  }

  #listeners(
    { resources, trust }: CompileInput,
    scope: ProxyScope,
  ): {
    context: CompileContext;
    listeners: readonly Listener[];
    used: ReadonlySet<string>;
  } {
    this.#sources.lists.update(resources);
    const context = createContext(scope, { ...this.#sources, trust });
    const { listeners, used } = compileListeners(context);
    const { called, memo } = context;
    const all =
      called.size === 0
        ? used
        : memo.keep(
            { owner: scope, slot: 'used and called', inputs: [used, ...called] },
            () => new Set([...used, ...called]),
          );
    return { context, listeners, used: all };
  }

  /** Equal scopes are one object, so that their labels are. */
  #scopeOf(given: ProxyScope): { readonly scope: ProxyScope; readonly packer: Packer } {
    const key = canonicalJson(given);
    const own = this.#scopes.get(key) ?? { scope: given, packer: new Packer() };
    this.#scopes.delete(key);
    this.#scopes.set(key, own);
    const [oldest] = this.#scopes.keys();
    if (this.#scopes.size > MAX_SCOPES && oldest !== undefined) this.#scopes.delete(oldest);
    return own;
  }
}

/** Compile's steps one by one, for who describes what they come to. */
export interface Survey {
  readonly contextOf: (scope: ProxyScope) => CompileContext;
  /** What is met on the way is in the context's diagnostics. */
  readonly listenersOf: (context: CompileContext) => readonly Listener[];
}

/** It knows no compiler of policies: filters aren't made. */
export function survey(resources: readonly Resource[]): Survey {
  const sources: Sources = {
    trust: undefined,
    lists: new ResourceLists(),
    memo: new Memo(),
    compilers: [],
  };
  sources.lists.update(resources);
  return {
    contextOf: (scope) => createContext(scope, sources),
    listenersOf: (context) => compileListeners(context).listeners,
  };
}

export function createCompiler(compilers: readonly PolicyCompiler[]): Compiler {
  return new MemoCompiler(compilers);
}

/** Once, for who won't compile again. */
export function compile(input: CompileInput, compilers: readonly PolicyCompiler[]): CompileResult {
  return createCompiler(compilers).compile(input);
}
