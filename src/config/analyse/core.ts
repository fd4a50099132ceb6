/** IST0118, IST0150, IST0125, IST0123, IST0126: Services, namespaces and mesh networks. */
import { parse } from 'yaml';
import type { Resource, ServiceSpec } from '../../model/api.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';

/** Port names that say which protocol follows. */
const PROTOCOL =
  /^(?:grpc-web|grpc|http2|https|http|mongo|mysql|redis|tcp|tls|udp|hbone|auto-http)(?:-|$)/i;
const SYSTEM = new Set(['istio-system', 'kube-system', 'kube-public', 'kube-node-lease']);

const EXPORT_TO = 'networking.istio.io/exportTo';
const NAMESPACE = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

function analyseExport({ metadata }: Resource): Finding[] {
  const text = metadata.annotations?.[EXPORT_TO];
  const wrong = (text ?? '*')
    .split(',')
    .map((name) => name.trim())
    .find((name) => !['*', '.', '~'].includes(name) && !NAMESPACE.test(name));
  return wrong === undefined
    ? []
    : [
        {
          code: 'IST0125',
          level: 'warning',
          path: `metadata.annotations.${EXPORT_TO}`,
          message: `annotation ${EXPORT_TO} has ${JSON.stringify(wrong)}, want names of namespaces, *, . or ~`,
          remedy: 'correct the list, which is separated by commas',
        },
      ];
}

function analysePorts({ spec, metadata }: Resource<ServiceSpec>): Finding[] {
  if (SYSTEM.has(metadata.namespace)) return [];
  return (spec.ports ?? []).flatMap(({ name = '', protocol = 'TCP', appProtocol }, index) => {
    const path = `spec.ports[${index}].name`;
    if (protocol === 'UDP' || appProtocol !== undefined) return [];
    if (spec.type === 'ExternalName')
      return name === '' || /^tcp(?:-|$)/i.test(name) ? [externalTcp(path)] : [];
    return name === '' || PROTOCOL.test(name) ? [] : [unnamed(path, name)];
  });
}

const externalTcp = (path: string): Finding => ({
  code: 'IST0150',
  level: 'warning',
  path,
  message: 'an ExternalName Service with a TCP port takes every connection of that port',
  remedy: 'name the port after its protocol, as http or https',
});

const unnamed = (path: string, name: string): Finding => ({
  code: 'IST0118',
  level: 'info',
  path,
  message: `port name "${name}" doesn't begin with a protocol: it is taken as HTTP`,
  remedy: 'name it as <protocol>[-<suffix>], or set appProtocol',
});

function analyseNamespace({ metadata }: Resource): Finding[] {
  const labels = metadata.labels ?? {};
  return labels['istio-injection'] !== undefined && labels['istio.io/rev'] !== undefined
    ? [
        {
          code: 'IST0123',
          level: 'warning',
          path: 'metadata.labels',
          message: 'labels istio-injection and istio.io/rev together: the revision has no say',
          remedy: 'keep one of them',
        },
      ]
    : [];
}

/** The mesh's own, and those that secrets of remote clusters name. */
function registriesOf(mesh: MeshView): ReadonlySet<string> {
  const remote = mesh
    .of('Secret', '')
    .filter(({ metadata }) => metadata.labels?.['istio/multiCluster'] === 'true')
    .flatMap(({ data = {} }) => Object.keys(data));
  return new Set(['Kubernetes', ...remote]);
}

type Fields = Readonly<Record<string, unknown>>;

/** Admission lets any text into a ConfigMap. */
const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

function networksIn(text: string): Fields {
  try {
    return fieldsOf(fieldsOf(parse(text, { logLevel: 'error' }))['networks']);
  } catch {
    return {};
  }
}

function analyseNetworks({ data, metadata }: Resource, mesh: MeshView): Finding[] {
  const text = metadata.name === 'istio' ? data?.['meshNetworks'] : undefined;
  if (text === undefined) return [];
  const registries = registriesOf(mesh);
  return Object.entries(networksIn(text)).flatMap(([network, value]) => {
    const { endpoints } = fieldsOf(value);
    const listed = Array.isArray(endpoints) ? endpoints : [];
    return listed.flatMap((endpoint: unknown): Finding[] => {
      const { fromRegistry } = fieldsOf(endpoint);
      return typeof fromRegistry !== 'string' || registries.has(fromRegistry)
        ? []
        : [
            {
              code: 'IST0126',
              level: 'error',
              path: 'data.meshNetworks',
              message: `network ${network} is of registry ${fromRegistry}, which nobody knows`,
              remedy: `use ${[...registries].join(' or ')}, or list addresses with fromCidr`,
            },
          ];
    });
  });
}

export const analyseCore: Analyser = (resource, mesh) => {
  if (resource.kind === 'Service')
    return [...analyseExport(resource), ...analysePorts(resource as Resource<ServiceSpec>)];
  return resource.kind === 'Namespace'
    ? analyseNamespace(resource)
    : analyseNetworks(resource, mesh);
};
