/** Meshes as large as anybody has them, as the control plane's inventory hands them over, and one change of them. */
import type { Resource, VirtualServiceSpec } from '../src/model/api.ts';
import type { ProxyScope } from '../src/model/snapshot.ts';

const NAMESPACES = 50;

export const LARGE_SCOPES: readonly ProxyScope[] = [
  { type: 'sidecar-outbound', namespace: 'ns1', name: 'client', labels: { app: 'client' } },
  { type: 'gateway', namespace: 'ns0', name: 'front', labels: { app: 'front' } },
];

function metadataOf(name: string, index: number): Resource['metadata'] {
  // As if they had been applied in another order than that of their names.
  const at = new Date(1_700_000_000_000 + ((index * 7919) % 100_003) * 1000);
  return {
    name,
    namespace: `ns${index % NAMESPACES}`,
    creationTimestamp: `${at.toISOString().slice(0, 19)}Z`,
  };
}

function serviceOf(index: number): Resource {
  return {
    group: '',
    version: 'v1',
    kind: 'Service',
    metadata: metadataOf(`s${index}`, index),
    spec: {
      ports: [{ port: 80, name: 'http', targetPort: 8080 }],
      selector: { app: `s${index}` },
      clusterIP: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    },
  };
}

/** Two rules, bound to the mesh and to the gateway. */
function rulesOf(index: number): Resource<VirtualServiceSpec> {
  const host = `s${index}`;
  const port = { number: 80 };
  return {
    group: 'networking.istio.io',
    version: 'v1',
    kind: 'VirtualService',
    metadata: metadataOf(`v${index}`, index),
    spec: {
      hosts: [host],
      gateways: ['mesh', 'ns0/front'],
      http: [
        {
          match: [{ uri: { prefix: '/a' }, headers: { 'x-tier': { exact: 'gold' } } }],
          retries: { attempts: 2 },
          route: [{ destination: { host, port } }],
        },
        { timeout: '2s', route: [{ destination: { host, port } }] },
      ],
    },
  };
}

/** `count` VirtualServices with as many Services, and a Gateway. */
export function largeMesh(count: number): readonly Resource[] {
  const front: Resource = {
    group: 'networking.istio.io',
    version: 'v1',
    kind: 'Gateway',
    metadata: metadataOf('front', 0),
    spec: {
      selector: { app: 'front' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  };
  const indexes = Array.from({ length: count }, (_, index) => index);
  return [...indexes.map(serviceOf), ...indexes.map(rulesOf), front];
}

/** The same objects but one VirtualService, whose timeout is another each time. */
export function withChange(resources: readonly Resource[], change: number): readonly Resource[] {
  const first = resources.findIndex(({ kind }) => kind === 'VirtualService');
  const place = first + ((change * 131) % (resources.length - first - 1));
  const before = resources[place] as Resource<VirtualServiceSpec>;
  const http = (before.spec.http ?? []).map((rule) => ({ ...rule, timeout: `${change + 3}s` }));
  const after: Resource = { ...before, spec: { ...before.spec, http } };
  return resources.with(place, after);
}
