/** Which security resources hold for a workload, and what the slices make of them. */
import type {
  AuthorizationPolicySpec,
  RequestAuthenticationSpec,
  Resource,
  TargetRef,
} from '../../model/api.ts';
import type { Audience } from '../../model/policy.ts';
import { PHASES } from '../../model/policy.ts';
import type { FilterConfig } from '../../model/snapshot.ts';
import type { Ranked } from './attached-policies.ts';
import { candidatesFor } from './attached-policies.ts';
import { clusterName } from './clusters.ts';
import type { CompileContext } from './context.ts';
import { selects } from './names.ts';
import { listenPort } from './services.ts';
import { step } from './step.ts';

type Attached = Pick<RequestAuthenticationSpec, 'selector' | 'targetRef' | 'targetRefs'>;

function namesTarget(
  refs: readonly TargetRef[],
  context: CompileContext,
  resource: Resource,
): boolean {
  const { scope } = context;
  return refs.some(({ kind, name, group = '' }) => {
    if (resource.metadata.namespace !== scope.namespace) return false;
    if (kind === 'Gateway')
      return (
        group === 'gateway.networking.k8s.io' &&
        scope.labels['gateway.networking.k8s.io/gateway-name'] === name
      );
    return false;
  });
}

/** Root namespace: the whole mesh; own namespace: its workloads; a selector narrows either. */
export function holdsFor(context: CompileContext, resource: Resource<Attached>): boolean {
  const { spec, metadata } = resource;
  const refs = [
    ...(spec.targetRefs ?? []),
    ...(spec.targetRef === undefined ? [] : [spec.targetRef]),
  ];
  if (refs.length > 0) return namesTarget(refs, context, resource);
  const isNear =
    metadata.namespace === context.scope.namespace ||
    metadata.namespace === context.mesh.rootNamespace;
  return isNear && selects(spec.selector?.matchLabels, context.scope.labels);
}

/** Endpoints of the served service that bear the workload's labels. */
function ownAddresses(context: CompileContext): string[] {
  const { scope } = context;
  const service = context.service(scope.service ?? '');
  const own = (service?.endpoints ?? []).filter(({ labels = {} }) =>
    Object.entries(labels).every(([name, value]) => scope.labels[name] === value),
  );
  return [...new Set(own.map(({ address = '' }) => address))].sort();
}

/** Where a filter sends requests of its own, the snapshot must know the way. */
function callable(context: CompileContext, host: string, port: number): string | undefined {
  const service = context.service(host);
  if (service?.ports.some(({ number }) => number === port) !== true) return undefined;
  context.called.add(host);
  return clusterName(host, port);
}

/** Callers name the service and its port, the workload's own listens behind it. */
function audienceOf(context: CompileContext): Audience | undefined {
  const { scope } = context;
  if (scope.type !== 'sidecar-inbound' || scope.service === undefined) return undefined;
  const service = context.service(scope.service);
  const ports: Record<string, number[]> = {};
  for (const port of service?.ports ?? []) (ports[listenPort(port)] ??= []).push(port.number);
  return { service: scope.service.toLowerCase(), ports };
}

/** Of the Policies that hold for the workload the most specific with the key. */
function workloadPart(
  context: CompileContext,
  key: string,
): { readonly policy: string; readonly part: unknown } | undefined {
  let best: Ranked | undefined;
  for (const candidate of candidatesFor(context, []))
    if (candidate.policy.spec[key] !== undefined && candidate.rank > (best?.rank ?? -1))
      best = candidate;
  if (best === undefined) return undefined;
  const { policy } = best;
  context.origins.of(policy, `spec.${key}`);
  const { namespace, name } = policy.metadata;
  return { policy: `${namespace}/${name}`, part: policy.spec[key] };
}

/** The same list while what it was made of is. */
export function compileWorkloadFilters(context: CompileContext): readonly FilterConfig[] {
  return step({ owner: context.scope, slot: 'filters', inputs: [] }, context, workloadFilters);
}

function workloadFilters(context: CompileContext): readonly FilterConfig[] {
  const authentications = context
    .resources<RequestAuthenticationSpec>('RequestAuthentication')
    .filter((resource) => holdsFor(context, resource));
  const policies = context
    .resources<AuthorizationPolicySpec>('AuthorizationPolicy')
    .filter((resource) => holdsFor(context, resource));
  const workloadAddresses = ownAddresses(context);
  const audience = audienceOf(context);
  const filters: FilterConfig[] = [];
  const inOrder = [...context.compilers].sort(
    (a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase),
  );
  for (const compiler of inOrder) {
    const compiled = compiler.compileWorkload?.({
      mesh: context.mesh.settings,
      ...(audience === undefined ? {} : { audience }),
      part: (key) => workloadPart(context, key),
      requestAuthentications: authentications,
      authorizationPolicies: policies,
      workloadAddresses,
      authorizer: (name) => context.mesh.authorizers.get(name),
      severalAuthorizers: context.mesh.severalAuthorizers,
      callable: (host, port) => callable(context, host, port),
      origin: (resource, path) => context.origins.of(resource, path),
    });
    if (compiled === undefined) continue;
    context.diagnostics.push(...compiled.diagnostics);
    if (compiled.filter !== undefined) filters.push(compiled.filter);
  }
  return filters;
}
