/** IST0101, IST0161, IST0145: certificates that aren't there, and servers that two Gateways claim. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { GatewayServer, GatewaySpec, Resource } from '../../model/api.ts';
import { intersectHosts, selects } from '../compile/names.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';

/** Where the proxies of a Gateway run, and so where their secrets are. */
function proxyNamespaces({ spec }: Resource<GatewaySpec>, mesh: MeshView): readonly string[] {
  const pods = mesh
    .of('Pod', '')
    .filter(({ metadata }) => selects(spec.selector, metadata.labels ?? {}))
    .map(({ metadata }) => metadata.namespace);
  return pods.length === 0 ? [mesh.config.rootNamespace] : [...new Set(pods)];
}

const PAIRS: readonly (readonly [string, string])[] = [
  ['tls.crt', 'tls.key'],
  ['cert', 'key'],
];

function checkCredential(
  { tls }: GatewayServer,
  path: string,
  around: { readonly gateway: Resource<GatewaySpec>; readonly mesh: MeshView },
): Finding[] {
  const name = tls?.credentialName ?? '';
  if (name === '' || name.includes('://')) return [];
  const { gateway, mesh } = around;
  return proxyNamespaces(gateway, mesh).flatMap((namespace): Finding[] => {
    const secret = mesh
      .of('Secret', '')
      .find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
    if (secret === undefined)
      return [
        {
          code: 'IST0101',
          level: 'error',
          path,
          message: `referenced secret ${namespace}/${name} not found: the server has no certificate`,
          remedy: 'apply the Secret in the namespace of the gateway that it is for',
        },
      ];
    const keys = secret.data ?? {};
    const isPair = PAIRS.some(([cert, key]) => keys[cert] !== undefined && keys[key] !== undefined);
    if (isPair) return [];
    return [
      {
        code: 'IST0161',
        level: 'error',
        path,
        message: `secret ${namespace}/${name} has ${Object.keys(keys).join(', ') || 'no keys'}, want tls.crt and tls.key`,
        remedy: 'store certificate chain and private key under these keys',
      },
    ];
  });
}

const bareHost = (host: string): string => host.slice(host.indexOf('/') + 1).toLowerCase();

/** The older one wins; the other's server does nothing. */
function checkConflicts(own: Resource<GatewaySpec>, mesh: MeshView): Finding[] {
  const selector = canonicalJson(own.spec.selector ?? {});
  const others = [...mesh.gateways.values()].filter(
    (other) => other !== own && canonicalJson(other.spec.selector ?? {}) === selector,
  );
  return (own.spec.servers ?? []).flatMap((server, index): Finding[] => {
    const other = others.find((gateway) =>
      (gateway.spec.servers ?? []).some(
        ({ port, hosts, bind }) =>
          port.number === server.port.number &&
          (bind ?? '') === (server.bind ?? '') &&
          hosts.some((a) =>
            server.hosts.some((b) => intersectHosts(bareHost(a), bareHost(b)) !== undefined),
          ),
      ),
    );
    return other === undefined
      ? []
      : [
          {
            code: 'IST0145',
            level: 'error',
            path: `spec.servers[${index}]`,
            message: `Gateway ${other.metadata.namespace}/${other.metadata.name} serves the same hosts on port ${server.port.number} for the same proxies`,
            remedy: 'keep the server in one of them',
          },
        ];
  });
}

export const analyseGateway: Analyser = (resource, mesh) => {
  const gateway = resource as Resource<GatewaySpec>;
  const credentials = (gateway.spec.servers ?? []).flatMap((server, index) =>
    checkCredential(server, `spec.servers[${index}].tls.credentialName`, { gateway, mesh }),
  );
  return [...credentials, ...checkConflicts(gateway, mesh)];
};
