/**
 * The policy contract: what a slice under src/policies contributes.
 * A slice has a compile half (control plane, CLI) and a run-time half (data planes); neither imports the other.
 */
import type { Call, CallAnswer, Host } from '../host/host.ts';
import type {
  AuthorizationPolicySpec,
  HttpRoute,
  RequestAuthenticationSpec,
  Resource,
} from './api.ts';
import type { Authorizer } from './authorizer.ts';
import type { Diagnostic } from './diagnostic.ts';
import type { Exchange, LocalReply } from './exchange.ts';
import type { MongoRules } from './mongo.ts';
import type { FilterConfig, KeySet, MeshSettings, Origin } from './snapshot.ts';

/**
 * Who calls; then Istio's order: CUSTOM authorization, JWT, RBAC, rate limit, fault, CORS, header work, router.
 * Parts of a lateen.io Policy before `authz` run before AuthorizationPolicy judges, by the route that a request takes as it came.
 */
export const PHASES = [
  'peer',
  'authz-custom',
  'authn',
  'authz',
  'limit',
  'fault',
  'cors',
  'headers',
] as const;
export type Phase = (typeof PHASES)[number];

export interface Audience {
  /** Lower case. */
  readonly service: string;
  /** Ports of the service by the port of the workload that they lead to. */
  readonly ports: Readonly<Record<string, readonly number[]>>;
}

/** What attaches to one workload: resources already selected by namespace, selector and targetRefs. */
export interface WorkloadPolicyInput {
  readonly mesh: MeshSettings;
  readonly requestAuthentications: readonly Resource<RequestAuthenticationSpec>[];
  readonly authorizationPolicies: readonly Resource<AuthorizationPolicySpec>[];
  /** Of the workload's own endpoints; empty at gateways and where nobody registered it. */
  readonly workloadAddresses: readonly string[];
  /** Whom callers mean when they call the workload; absent at gateways, which are called by the names of their hosts. */
  readonly audience?: Audience;
  /** Of the Policy that holds for the workload and has this key. */
  part?(key: string): { readonly policy: string; readonly part: unknown } | undefined;
  /** Undefined: no provider has the name. */
  authorizer(name: string): Authorizer | undefined;
  /** May a workload have several of them? All must allow then. @default false */
  readonly severalAuthorizers?: boolean;
  /** Cluster of a service that a filter calls; undefined where the workload sees no such service or port. */
  callable(host: string, port: number): string | undefined;
  /** Where something was compiled from. */
  origin(resource: Resource, path: string): Origin;
}

export interface RoutePolicyInput {
  readonly route: HttpRoute;
  readonly resource: Resource;
  /** JSON path of the route in `resource`. */
  readonly path: string;
}

/** Where a part of a lateen.io Policy stands. */
export interface PartInput {
  /** `namespace/name` of the Policy. */
  readonly policy: string;
  readonly mesh: MeshSettings;
}

export interface CompiledPolicy {
  readonly filter?: FilterConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** Compile half. Both functions are pure; what they return is JSON. */
export interface PolicyCompiler {
  readonly kind: string;
  readonly phase: Phase;
  compileWorkload?(input: WorkloadPolicyInput): CompiledPolicy;
  compileRoute?(input: RoutePolicyInput): CompiledPolicy;
  /** The part of a lateen.io Policy whose key is `kind`, as its schema admitted it. */
  compilePart?(part: unknown, input: PartInput): FilterConfig;
  /** Hosts of services that such a part leads to, lower case: the snapshot has their clusters. @default none */
  partServices?(part: unknown): readonly string[];
}

/** One field of a part, for the reference. */
export interface PartField {
  /** From the part on: `request.set`, `deny[].cidrs`. */
  readonly path: string;
  /** As a person would say it: `map of text`, `list of CIDR blocks`. */
  readonly type: string;
  readonly meaning: string;
  /** What holds without it. */
  readonly default?: string;
}

/** One answer that a part gives in place of the backend's. */
export interface PartRefusal {
  readonly when: string;
  readonly status: number;
  readonly body: string;
  readonly details: string;
}

/** A fault in a part; `path` from the part on. */
export type ReportFault = (path: string, message: string, remedy?: string) => void;

/**
 * What a slice adds to the spec of lateen.io Policy: one key. The kind and its reference are built from these.
 * `Schema` is the control plane's business: data planes have no use for any of this.
 */
export interface PolicyPart<Schema = unknown> {
  /** Key in the spec, and kind of the slice's compiler and filter. */
  readonly key: string;
  /** One sentence. */
  readonly summary: string;
  /** Holds for a proxy whatever it is asked for: a Policy with it names no targets. @default false */
  readonly isOfWorkload?: true;
  /** Types, unknown fields. */
  readonly schema: Schema;
  /** What types can't say; called only when `schema` found nothing. */
  check?(part: unknown, report: ReportFault): void;
  /** Every field of `schema`. */
  readonly fields: readonly PartField[];
  /** Markdown: the rules that a table of fields can't hold. */
  readonly notes: string;
  readonly refusals: readonly PartRefusal[];
  /** What the page says in place of the table, where it isn't HTTP that is refused. */
  readonly refusesOtherwise?: string;
  /** The part in YAML, without its key. */
  readonly example: string;
}

export type FilterAnswer = LocalReply | undefined | Promise<LocalReply | undefined>;

/** Run-time half of one configured policy. Undefined = go on. A promise only where something really waits. */
export interface Filter {
  request?(x: Exchange): FilterAnswer;
  /** Sees upstream responses and local replies (then `x.response` is a head over the reply). */
  response?(x: Exchange): void;
  /** Of a connection that isn't read as HTTP: only its peer, port and TLS are there to judge. False closes it; `x.details` may say why. */
  connection?(x: Exchange): boolean | Promise<boolean>;
  /** Of a connection that speaks MongoDB's protocol: what becomes of its operations. */
  readonly mongo?: MongoRules;
  done?(x: Exchange): void;
}

/** The cluster says where to and how. */
export interface ClusterCall extends Omit<Call, 'cluster' | 'endpoint' | 'scheme'> {
  /** Rejects where the cluster isn't spoken to by TLS, nor is a service binding. @default false */
  readonly needsTls?: boolean;
}

export interface LinkContext {
  readonly host: Host;
  /** Where this filter keeps per-request state in `x.slots`. */
  readonly slot: number;
  readonly mesh: MeshSettings;
  /** Keys delivered as an overlay; undefined while none were fetched. */
  keys(uri: string): KeySet | undefined;
  /** Asks the control plane for fresher keys after an unknown kid; single-flight, rate-limited; resolves when done. */
  refreshKeys(uri: string, kid: string): Promise<void>;
  /** Sends a request to an endpoint of a cluster; rejects when no endpoint is healthy or no answer comes in time. */
  call(cluster: string, request: ClusterCall): Promise<CallAnswer>;
  /** Entries of a Secret that the filter's config names under `secrets`, `namespace/name`; undefined while nobody gave it. The same object while they are the same. */
  secret?(name: string): Readonly<Record<string, string>> | undefined;
}

export interface PolicyFilter {
  readonly kind: string;
  readonly phase: Phase;
  /** @throws Error when the config can't be linked: the snapshot is then refused. */
  link(config: unknown, context: LinkContext): Filter;
}
