/** Policies that hold for the workloads of a host, or for the gateways and routes that lead to it. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type {
  AuthorizationPolicySpec,
  BackendTlsPolicySpec,
  Labels,
  PeerAuthenticationSpec,
  PolicySpec,
  RequestAuthenticationSpec,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  SidecarSpec,
} from '../../model/api.ts';
import { istioKinds } from '../../resources/index.ts';
import type { PolicyTarget } from '../compile/attached-policies.ts';
import { candidatesFor, targetOf } from '../compile/attached-policies.ts';
import type { CompileContext } from '../compile/context.ts';
import { peerAuthentications, workloadMtls } from '../compile/peer-authentication.ts';
import { holdsFor } from '../compile/policies.ts';
import type { Service } from '../compile/services.ts';
import { sidecarOf } from '../compile/sidecar-scope.ts';
import type { FoundRoute } from './found.ts';
import type { FoundGateway } from './gateways.ts';
import type { MtlsView, PolicyView } from './model.ts';
import type { View } from './view.ts';
import { place } from './view.ts';
import { authorizationText, labelsText } from './words.ts';

interface Workload {
  readonly text: string;
  readonly context: CompileContext;
}

/** Something that a policy may hold for. */
interface Subject {
  readonly text: string;
  readonly context: CompileContext;
  readonly targets: readonly PolicyTarget[];
}

const SECURITY = 'security.istio.io';

function selectorOf({ kind, spec }: Resource): Labels {
  return kind === 'Service'
    ? ((spec as ServiceSpec).selector ?? {})
    : ((spec as ServiceEntrySpec).workloadSelector?.labels ?? {});
}

/** One for each set of labels; a host outside the mesh has no proxy that a policy could hold for. */
export function workloadsOf({ service, contextOf }: View): Workload[] {
  if (service === undefined || service.location === 'MESH_EXTERNAL') return [];
  const selector = selectorOf(service.resource);
  const sets = service.endpoints.map(({ labels = {} }) => ({ ...selector, ...labels }));
  // Nobody is registered yet: whoever will be bears these.
  if (sets.length === 0 && Object.keys(selector).length > 0) sets.push({ ...selector });
  const unique = new Map(sets.map((labels) => [canonicalJson(labels), labels]));
  const { namespace, host } = service;
  return [...unique.values()].map((labels) => ({
    text: labelsText(labels) || 'without labels',
    context: contextOf({
      type: 'sidecar-inbound',
      namespace,
      name: 'describe',
      labels,
      service: host,
    }),
  }));
}

export function mtlsOf(workloads: readonly Workload[]): MtlsView[] {
  return workloads.map(({ text, context }) => {
    const { mode, ports } = workloadMtls(context);
    return { workloads: text, mode, ports: Object.fromEntries(ports) };
  });
}

const serviceTargets = ({ resource, ports }: Service): PolicyTarget[] =>
  ports.map(({ name }) => targetOf(resource, name));

type Attached = Parameters<typeof holdsFor>[1];
type AttachedSpec = Attached['spec'] & {
  readonly workloadSelector?: { readonly labels?: Labels };
};

/** EnvoyFilter says with other words what it selects; of some kinds a spec may be missing. */
function asAttached(resource: Resource): Attached {
  const spec = (resource.spec ?? {}) as AttachedSpec;
  const labels = spec.workloadSelector?.labels;
  return {
    ...resource,
    spec: labels === undefined ? spec : { ...spec, selector: { matchLabels: labels } },
  };
}

function selectorPath(resource: Resource): string {
  const { spec } = asAttached(resource);
  const given = (resource.spec ?? {}) as AttachedSpec;
  if ((spec.targetRefs ?? []).length > 0) return 'spec.targetRefs';
  if (spec.targetRef !== undefined) return 'spec.targetRef';
  if (Object.keys(spec.selector?.matchLabels ?? {}).length === 0) return 'spec';
  return given.workloadSelector === undefined ? 'spec.selector' : 'spec.workloadSelector';
}

function authenticationText({ jwtRules = [] }: RequestAuthenticationSpec): string {
  const issuers = jwtRules.map(({ issuer = '' }) => issuer).filter((issuer) => issuer !== '');
  return jwtRules.length === 0 ? 'no JWT rules' : `JWT of ${issuers.join(', ') || 'any issuer'}`;
}

function peerText(spec: PeerAuthenticationSpec | undefined): string {
  const ports = Object.entries(spec?.portLevelMtls ?? {}).map(
    ([port, { mode = 'UNSET' }]) => `port ${port} ${mode}`,
  );
  return [`mTLS ${spec?.mtls?.mode ?? 'UNSET'}`, ...ports].join(', ');
}

function actionOf({ kind, spec }: Resource): string {
  switch (kind) {
    case 'AuthorizationPolicy':
      return authorizationText(spec as AuthorizationPolicySpec);
    case 'RequestAuthentication':
      return authenticationText(spec as RequestAuthenticationSpec);
    case 'PeerAuthentication':
      return peerText(spec as PeerAuthenticationSpec | undefined);
    case 'Policy':
      return Object.keys(spec as PolicySpec)
        .filter((key) => key !== 'selector' && key !== 'targetRefs')
        .join(', ');
    case 'Sidecar':
      return sidecarText(spec as SidecarSpec);
    default:
      return 'not enforced';
  }
}

function sidecarText({ egress = [], outboundTrafficPolicy }: SidecarSpec): string {
  const hosts = egress.flatMap((one) => one.hosts ?? []);
  return [
    hosts.length === 0 ? 'imports everything' : `imports ${hosts.join(', ')}`,
    ...(outboundTrafficPolicy?.mode === undefined ? [] : [outboundTrafficPolicy.mode]),
  ].join(', ');
}

/** Gathers whom each policy holds for, in the order in which they are met. */
class Holders {
  readonly #held = new Map<Resource, Set<string>>();

  add(policy: Resource | undefined, subject: string): void {
    if (policy === undefined) return;
    const holders = this.#held.get(policy) ?? new Set();
    holders.add(subject);
    this.#held.set(policy, holders);
  }

  views(): PolicyView[] {
    return [...this.#held].map(([policy, subjects]) => {
      const reason = istioKinds.find(
        ({ group, kind }) => group === policy.group && kind === policy.kind,
      )?.unenforced;
      return {
        ...place(policy, selectorPath(policy)),
        action: actionOf(policy),
        holdsFor: [...subjects],
        enforced: reason === undefined,
        ...(reason === undefined ? {} : { reason }),
      };
    });
  }
}

const SELECTING: readonly (readonly [kind: string, group: string])[] = [
  ['AuthorizationPolicy', SECURITY],
  ['RequestAuthentication', SECURITY],
  ['Telemetry', 'telemetry.istio.io'],
  ['EnvoyFilter', 'networking.istio.io'],
  ['WasmPlugin', 'extensions.istio.io'],
  ['TrafficExtension', 'extensions.istio.io'],
];

function subjectsOf(
  workloads: readonly Workload[],
  gateways: readonly FoundGateway[],
  { service }: View,
): Subject[] {
  const targets = service === undefined ? [] : serviceTargets(service);
  return [
    ...workloads.map(({ text, context }) => ({ text: `workload ${text}`, context, targets })),
    ...gateways.flatMap(({ name, contexts, targets: own }) =>
      contexts.map((context) => ({ text: name, context, targets: own })),
    ),
  ];
}

/** Those that name a route are its own, whoever carries it. */
function ofRoutes(routes: readonly FoundRoute[], holders: Holders, { client }: View): void {
  const wide = new Set(candidatesFor(client, []).map(({ policy }) => policy));
  for (const { targets, view } of routes)
    for (const { policy } of candidatesFor(client, targets))
      if (!wide.has(policy)) holders.add(policy, `${view.resource} ${view.path}`);
}

function ofWorkloads(workloads: readonly Workload[], holders: Holders, { mesh }: View): void {
  const sidecars = mesh.of<SidecarSpec>('Sidecar');
  for (const { text, context } of workloads) {
    const { ofMesh, ofNamespace, ofWorkload } = peerAuthentications(context);
    for (const policy of [ofWorkload, ofNamespace, ofMesh]) holders.add(policy, `workload ${text}`);
    const sidecar = sidecarOf(sidecars, context.scope, context.mesh.rootNamespace);
    holders.add(sidecar, `workload ${text}`);
  }
}

function backendTlsText({ validation }: BackendTlsPolicySpec): string {
  return `gateways speak TLS to it, server name ${validation.hostname}`;
}

function backendTlsPolicies({ client, host }: View): PolicyView[] {
  return client.gatewayApi.backendTls.outcomes
    .filter(({ hosts }) => hosts.includes(host))
    .map(({ policy, refusal, unresolved }): PolicyView => {
      const fault = refusal ?? unresolved;
      return {
        ...place(policy, 'spec.targetRefs'),
        action: backendTlsText(policy.spec),
        holdsFor: [host],
        enforced: refusal === undefined,
        ...(fault === undefined ? {} : { reason: `${fault.reason}: ${fault.message}` }),
      };
    });
}

export function describePolicies(
  workloads: readonly Workload[],
  gateways: readonly FoundGateway[],
  routes: readonly FoundRoute[],
  view: View,
): PolicyView[] {
  const holders = new Holders();
  const subjects = subjectsOf(workloads, gateways, view);
  for (const [kind, group] of SELECTING)
    for (const policy of view.mesh.of(kind, group))
      for (const { text, context } of subjects)
        if (holdsFor(context, asAttached(policy))) holders.add(policy, text);
  ofWorkloads(workloads, holders, view);
  for (const { text, context, targets } of subjects)
    for (const { policy } of candidatesFor(context, targets)) holders.add(policy, text);
  ofRoutes(routes, holders, view);
  return [...holders.views(), ...backendTlsPolicies(view)];
}
