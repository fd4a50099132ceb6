/** What a Sidecar lets a workload see: imports of services and rules, and what becomes of hosts outside them. */
import type { Resource, SidecarSpec, VirtualServiceSpec } from '../../model/api.ts';
import type { MeshSettings, ProxyScope } from '../../model/snapshot.ts';
import { covers, selects } from './names.ts';
import type { Service } from './services.ts';

export interface SidecarScope {
  readonly outboundPolicy: MeshSettings['outboundPolicy'];
  importsService(service: Service): boolean;
  /** `hosts` resolved. A rule set is imported whole when one of its hosts is. */
  importsRules(rules: Resource<VirtualServiceSpec>, hosts: readonly string[]): boolean;
}

interface Import {
  readonly isExclusion: boolean;
  /** `*`, or a name. */
  readonly namespace: string;
  readonly host: string;
}

function importOf(text: string, own: string): Import | undefined {
  const slash = text.indexOf('/');
  const owner = text.slice(0, slash);
  if (owner === '~') return undefined;
  const isExclusion = owner.startsWith('~');
  const name = isExclusion ? owner.slice(1) : owner;
  const host = text.slice(slash + 1).toLowerCase();
  return { isExclusion, namespace: name === '.' ? own : name, host };
}

const isOf = ({ namespace }: Import, owner: string): boolean =>
  namespace === '*' || namespace === owner;

/** Own namespace by labels, own namespace, then the root namespace; of each the oldest. None are merged. */
export function sidecarOf(
  sidecars: readonly Resource<SidecarSpec>[],
  scope: ProxyScope,
  rootNamespace: string,
): Resource<SidecarSpec> | undefined {
  const labelsOf = ({ spec }: Resource<SidecarSpec>) => spec.workloadSelector?.labels ?? {};
  const hasSelector = (sidecar: Resource<SidecarSpec>): boolean =>
    Object.keys(labelsOf(sidecar)).length > 0;
  const own = sidecars.filter(({ metadata }) => metadata.namespace === scope.namespace);
  return (
    own.find((sidecar) => hasSelector(sidecar) && selects(labelsOf(sidecar), scope.labels)) ??
    own.find((sidecar) => !hasSelector(sidecar)) ??
    sidecars.find(
      (sidecar) => sidecar.metadata.namespace === rootNamespace && !hasSelector(sidecar),
    )
  );
}

export function sidecarScope(
  sidecars: readonly Resource<SidecarSpec>[],
  scope: ProxyScope,
  mesh: { readonly settings: MeshSettings; readonly rootNamespace: string },
): SidecarScope {
  const spec = sidecarOf(sidecars, scope, mesh.rootNamespace)?.spec;
  const policy = spec?.outboundTrafficPolicy;
  const outboundPolicy =
    policy === undefined
      ? mesh.settings.outboundPolicy
      : policy.mode === 'ALLOW_ANY'
        ? 'ALLOW_ANY'
        : 'REGISTRY_ONLY';
  if (spec?.egress === undefined || spec.egress.length === 0)
    return { outboundPolicy, importsService: () => true, importsRules: () => true };
  const imports = spec.egress
    .flatMap(({ hosts = [] }) => hosts)
    .map((host) => importOf(host, scope.namespace))
    .filter((one) => one !== undefined);
  const wanted = imports.filter(({ isExclusion }) => !isExclusion);
  const excluded = imports.filter(({ isExclusion }) => isExclusion);
  const takes = (list: readonly Import[], owner: string, host: string): boolean =>
    list.some((one) => isOf(one, owner) && covers(one.host, host));
  return {
    outboundPolicy,
    importsService: ({ namespace, host }) =>
      takes(wanted, namespace, host) && !takes(excluded, namespace, host),
    importsRules: ({ metadata: { namespace } }, hosts) =>
      hosts.some(
        (host) =>
          wanted.some(
            (one) => isOf(one, namespace) && (covers(one.host, host) || covers(host, one.host)),
          ) && !takes(excluded, namespace, host),
      ),
  };
}
