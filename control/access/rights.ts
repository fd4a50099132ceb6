/** Roles as what they may do: verbs on kinds, within the namespaces of the credential. Closed by default. */
import type { Resource } from '../../src/model/api.ts';

export type Role = 'viewer' | 'operator' | 'editor' | 'security-admin' | 'admin' | 'proxy';

export const VERBS = ['get', 'list', 'watch', 'create', 'update', 'delete', 'operate'] as const;
export type Verb = (typeof VERBS)[number];

/** What isn't a resource of the store, and has rights of its own. */
export const AREAS = [
  'proxies',
  'rollouts',
  'history',
  'analysis',
  'tokens',
  'audit',
  'identities',
  'join-tokens',
  'authority',
] as const;
export type Area = (typeof AREAS)[number];

/** What a right is asked for. */
export interface Target {
  /** An area, or `group/Kind` with `core` for the core group. */
  readonly kind: string;
  /** Absent: all of them, or a kind without namespaces. */
  readonly namespace?: string;
  readonly name?: string;
  /** The content makes it a matter of security although its kind isn't. */
  readonly isSensitive?: boolean;
}

/** Who asks, as far as rights go. */
export interface Holder {
  readonly role: Role;
  /** Absent: all. */
  readonly namespaces?: readonly string[];
}

type Category = 'configuration' | 'security' | Area;

const READ: readonly Verb[] = ['get', 'list', 'watch'];
const WRITE: readonly Verb[] = ['create', 'update', 'delete'];

interface Grant {
  readonly verbs: readonly Verb[];
  readonly on: readonly Category[];
}

const viewer: readonly Grant[] = [
  {
    verbs: READ,
    on: ['configuration', 'security', 'proxies', 'rollouts', 'history', 'analysis', 'identities'],
  },
];
const operator: readonly Grant[] = [...viewer, { verbs: ['operate'], on: ['proxies', 'rollouts'] }];

/** Editors shape traffic; who may call whom, keys and trust are the security-admin's, who shapes no traffic. */
const GRANTS: Readonly<Record<Role, readonly Grant[]>> = {
  proxy: [],
  viewer,
  operator,
  editor: [...operator, { verbs: WRITE, on: ['configuration', 'rollouts'] }],
  'security-admin': [
    ...viewer,
    { verbs: WRITE, on: ['security'] },
    {
      verbs: [...READ, ...WRITE, 'operate'],
      on: ['identities', 'join-tokens', 'authority'],
    },
    { verbs: READ, on: ['audit'] },
  ],
  admin: [{ verbs: VERBS, on: ['configuration', 'security', ...AREAS] }],
};

/** Which roles a role has with it: what the other may, it may too. */
const INCLUDES: Readonly<Record<Role, readonly Role[]>> = {
  proxy: ['proxy'],
  viewer: ['viewer'],
  operator: ['viewer', 'operator'],
  editor: ['viewer', 'operator', 'editor'],
  'security-admin': ['viewer', 'security-admin'],
  admin: ['viewer', 'operator', 'editor', 'security-admin', 'admin'],
};

export function includesRole(holder: Role, wanted: Role): boolean {
  return INCLUDES[holder].includes(wanted);
}

const SECURITY_KINDS: ReadonlySet<string> = new Set([
  'core/Secret',
  'gateway.networking.k8s.io/ReferenceGrant',
]);

/** They have no namespace, whatever one they were stored with: only who has all namespaces reaches them. */
const CLUSTER_WIDE: ReadonlySet<string> = new Set([
  'core/Namespace',
  'core/Node',
  'core/PersistentVolume',
  'gateway.networking.k8s.io/GatewayClass',
  'rbac.authorization.k8s.io/ClusterRole',
  'rbac.authorization.k8s.io/ClusterRoleBinding',
  'apiextensions.k8s.io/CustomResourceDefinition',
  'storage.k8s.io/StorageClass',
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration',
  'admissionregistration.k8s.io/MutatingWebhookConfiguration',
]);

export const isClusterWide = (kind: string): boolean => CLUSTER_WIDE.has(kind);

const isArea = (kind: string): kind is Area => AREAS.some((area) => area === kind);

function categoryOf({ kind, isSensitive }: Target): Category {
  if (isArea(kind)) return kind;
  const isSecurity =
    isSensitive === true || kind.startsWith('security.istio.io/') || SECURITY_KINDS.has(kind);
  return isSecurity ? 'security' : 'configuration';
}

/** Parts of lateen.io Policy that say how requests travel; all others say who may come in. */
const TRAFFIC_PARTS: ReadonlySet<string> = new Set(['body', 'headers', 'mongo']);
const ATTACHMENT: ReadonlySet<string> = new Set(['targetRefs', 'selector']);
const MESH = { namespace: 'istio-system', name: 'istio' };

/** The mesh's settings (trust domain, authorizers, discovery), trust anchors, and policies that let people in. */
function isSensitive({ group, kind, metadata, spec, data = {} }: Resource): boolean {
  if (group === '' && kind === 'ConfigMap')
    return (
      (metadata.namespace === MESH.namespace && metadata.name === MESH.name) ||
      Object.keys(data).some((key) => key === 'ca.crt' || key.endsWith('.pem'))
    );
  if (group === 'lateen.io' && kind === 'Policy')
    return Object.keys(spec ?? {}).some(
      (part) => !TRAFFIC_PARTS.has(part) && !ATTACHMENT.has(part),
    );
  return false;
}

/** Kinds of which the content says whether they are a matter of security. */
export const dependsOnContent = (kind: string): boolean =>
  kind === 'core/ConfigMap' || kind === 'lateen.io/Policy';

export function kindOf({ group, kind }: Pick<Resource, 'group' | 'kind'>): string {
  return `${group === '' ? 'core' : group}/${kind}`;
}

/** What touching a resource asks for: what it was counts as much as what it becomes. */
export function targetOf(resource: Resource, before?: Resource): Target {
  const kind = kindOf(resource);
  const { namespace, name } = resource.metadata;
  return {
    kind,
    name,
    ...(isClusterWide(kind) ? {} : { namespace }),
    isSensitive: isSensitive(resource) || (before !== undefined && isSensitive(before)),
  };
}

function grants(role: Role, verb: Verb, category: Category): boolean {
  return GRANTS[role].some(({ verbs, on }) => verbs.includes(verb) && on.includes(category));
}

const ROLES: readonly Role[] = ['viewer', 'operator', 'editor', 'security-admin', 'admin'];

/** Undefined = it may; else why not, and who could. */
export function refusalOf(holder: Holder, verb: Verb, target: Target): string | undefined {
  const { kind, namespace, name } = target;
  const category = categoryOf(target);
  const what = `${verb} ${[kind.replace(/^core\//, ''), namespace === undefined ? name : `${namespace}/${name ?? '*'}`].filter((text) => text !== undefined).join(' ')}`;
  if (!grants(holder.role, verb, category)) {
    const able = ROLES.filter((role) => grants(role, verb, category)).join(' or ');
    return `role ${holder.role} may not ${what}, want ${able === '' ? 'nobody' : able}`;
  }
  if (holder.namespaces === undefined) return undefined;
  if (namespace === undefined)
    return `a credential of namespaces ${holder.namespaces.join(', ')} may not ${what}, which is of the whole mesh`;
  return holder.namespaces.includes(namespace)
    ? undefined
    : `a credential of namespaces ${holder.namespaces.join(', ')} may not ${what}`;
}

/** May who holds the one hand out the other? */
export function exceeds(holder: Holder, wanted: Holder): string | undefined {
  if (wanted.role !== 'proxy' && !includesRole(holder.role, wanted.role))
    return `role ${holder.role} can't hand out role ${wanted.role}`;
  const { namespaces: own } = holder;
  if (own === undefined) return undefined;
  const isWithin =
    wanted.namespaces !== undefined && wanted.namespaces.every((one) => own.includes(one));
  return isWithin
    ? undefined
    : `a credential of namespaces ${own.join(', ')} can't hand out one for ${wanted.namespaces?.join(', ') ?? 'all namespaces'}`;
}
