/** Gateway workers that take nobody in plaintext, and whom they then know their callers by. */
import type {
  PeerAuthenticationSpec,
  Resource,
  ServiceEntrySpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { ProxyScope } from '../../model/snapshot.ts';
import { readMeshConfig } from '../../resources/mesh-config.ts';
import { diagnosticOf } from './codes.ts';

/** A proxy with live instances that are gateway workers. */
export type EdgeProxy = Pick<ProxyScope, 'type' | 'namespace' | 'name'>;

/** Asks callers of an endpoint for a credential (docs/edge-identity.md). */
const CREDENTIAL_LABEL = 'lateen.io/credential';

const isLabelled = ({ labels = {} }: WorkloadEntrySpec): boolean => CREDENTIAL_LABEL in labels;

function asksForCredentials({ kind, spec }: Resource): boolean {
  if (kind === 'WorkloadEntry') return isLabelled(spec as WorkloadEntrySpec);
  if (kind !== 'ServiceEntry') return false;
  return ((spec as ServiceEntrySpec).endpoints ?? []).some((endpoint) => isLabelled(endpoint));
}

/** Namespaces with a STRICT PeerAuthentication of their own. */
function strictNamespaces(resources: readonly Resource[]): ReadonlySet<string> {
  const strict = resources.filter(
    ({ group, kind, spec }) =>
      group === 'security.istio.io' &&
      kind === 'PeerAuthentication' &&
      (spec as PeerAuthenticationSpec).mtls?.mode === 'STRICT',
  );
  return new Set(strict.map(({ metadata }) => metadata.namespace));
}

export function hardenEdge(
  proxies: readonly EdgeProxy[],
  resources: readonly Resource[],
): Diagnostic[] {
  const strict = strictNamespaces(resources);
  const { rootNamespace } = readMeshConfig(resources);
  const guarded = proxies.filter(
    ({ type, namespace }) =>
      type === 'sidecar-inbound' && (strict.has(namespace) || strict.has(rootNamespace)),
  );
  if (guarded.length === 0 || resources.some((resource) => asksForCredentials(resource))) return [];
  return guarded.map(({ namespace, name }) =>
    diagnosticOf(
      {
        code: 'LAT0734',
        message: 'a gateway worker under STRICT, in a mesh where no endpoint asks for credentials',
      },
      { resource: `Proxy ${namespace}/${name}` },
    ),
  );
}
