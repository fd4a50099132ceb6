/** IST0101, IST0161, IST0145, IST0162: certificates and ports that aren't there, servers that two Gateways claim. */
import type { GatewayServer, GatewaySpec, Resource, ServiceSpec } from '../../model/api.ts';
import { intersectHosts, selects } from '../compile/names.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';

/** Where the proxies of a Gateway run, and so where their secrets are. */
export function proxyNamespaces(
  { spec }: Resource<GatewaySpec>,
  mesh: MeshView,
): readonly string[] {
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
          level: 'warning',
          path,
          message: `referenced secret ${namespace}/${name} not found: a proxy that ends TLS itself has no certificate for this server`,
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

/** `namespace/host`, of which the namespace may be missing. */
function overlaps(a: string, b: string): boolean {
  const partsOf = (text: string): readonly [namespace: string, host: string] => {
    const slash = text.indexOf('/');
    return [slash < 0 ? '*' : text.slice(0, slash), text.slice(slash + 1).toLowerCase()];
  };
  const [[namespaceA, hostA], [namespaceB, hostB]] = [partsOf(a), partsOf(b)];
  const isFor = namespaceA === '*' || namespaceB === '*' || namespaceA === namespaceB;
  return isFor && intersectHosts(hostA, hostB) !== undefined;
}

/** Whoever is older has its rules asked first. */
function checkConflicts(own: Resource<GatewaySpec>, mesh: MeshView): Finding[] {
  const { selector = {} } = own.spec;
  // A selector that holds all of another's is met by none but proxies that meet both.
  const others = [...mesh.gateways.values()].filter(
    ({ metadata, spec }) =>
      metadata !== own.metadata &&
      (selects(spec.selector, selector) || selects(selector, spec.selector ?? {})),
  );
  return (own.spec.servers ?? []).flatMap((server, index): Finding[] => {
    const other = others.find((gateway) =>
      (gateway.spec.servers ?? []).some(
        ({ port, hosts, bind }) =>
          port.number === server.port.number &&
          (bind ?? '') === (server.bind ?? '') &&
          hosts.some((a) => server.hosts.some((b) => overlaps(a, b))),
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

/** Ports that Services send to a Gateway's proxies. */
function checkPorts(gateway: Resource<GatewaySpec>, mesh: MeshView): Finding[] {
  const { selector = {}, servers = [] } = gateway.spec;
  const before = mesh
    .of<ServiceSpec>('Service', '')
    .filter(({ spec }) => spec.selector !== undefined && selects(spec.selector, selector));
  if (before.length === 0) return [];
  const open = new Set(
    before.flatMap(({ spec }) =>
      (spec.ports ?? [])
        .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
        .map(({ port, targetPort }) => targetPort ?? port),
    ),
  );
  // A target port that is a name may be any number.
  if ([...open].some((port) => typeof port === 'string')) return [];
  return servers.flatMap(({ port }, index): Finding[] =>
    open.has(port.number)
      ? []
      : [
          {
            code: 'IST0162',
            level: 'warning',
            path: `spec.servers[${index}].port.number`,
            message: `port ${port.number} is on no Service before these proxies, which have ${[...open].join(', ') || 'none'}`,
            remedy: "add it to the Service's ports, as targetPort, or correct the number",
          },
        ],
  );
}

export const analyseGateway: Analyser = (resource, mesh) => {
  const gateway = resource as Resource<GatewaySpec>;
  const credentials = (gateway.spec.servers ?? []).flatMap((server, index) =>
    checkCredential(server, `spec.servers[${index}].tls.credentialName`, { gateway, mesh }),
  );
  return [...credentials, ...checkConflicts(gateway, mesh), ...checkPorts(gateway, mesh)];
};
