/** IST0103, IST0116, IST0125, IST0135, IST0137: Pods and Deployments that people bring with their mesh configuration. */
import { own } from '../../lib/own.ts';
import type { Labels, Resource, ServiceSpec } from '../../model/api.ts';
import { parseCidr } from '../../lib/cidr.ts';
import { selects } from '../compile/names.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { perMesh } from './mesh.ts';

interface PodSpec {
  readonly containers?: readonly { readonly name?: string }[];
  readonly initContainers?: readonly { readonly name?: string }[];
  readonly hostNetwork?: boolean;
}

interface DeploymentSpec {
  readonly template?: { readonly metadata?: { readonly labels?: Labels } };
}

const isInteger = (text: string): boolean => /^\d+$/.test(text);
const isFlag = (text: string): boolean =>
  /^(?:1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$/.test(text);
const isList =
  (isEntry: (entry: string) => boolean) =>
  (text: string): boolean =>
    text === '' || text === '*' || text.split(',').every((entry) => isEntry(entry.trim()));
const isPort = (text: string): boolean =>
  isInteger(text) && Number(text) >= 1 && Number(text) <= 65_535;
const isBlock = (text: string): boolean => parseCidr(text) !== undefined;

/** What annotations of workloads may hold, in words. */
const VALUES: Readonly<Record<string, readonly [(text: string) => boolean, string]>> = {
  'sidecar.istio.io/inject': [isFlag, 'true or false'],
  'sidecar.istio.io/rewriteAppHTTPProbers': [isFlag, 'true or false'],
  'sidecar.istio.io/enableCoreDump': [isFlag, 'true or false'],
  'prometheus.istio.io/merge-metrics': [isFlag, 'true or false'],
  'readiness.status.sidecar.istio.io/initialDelaySeconds': [isInteger, 'a number of seconds'],
  'readiness.status.sidecar.istio.io/periodSeconds': [isInteger, 'a number of seconds'],
  'readiness.status.sidecar.istio.io/failureThreshold': [isInteger, 'a number'],
  'readiness.status.sidecar.istio.io/applicationPorts': [
    isList(isPort),
    'ports, separated by commas',
  ],
  'status.sidecar.istio.io/port': [isPort, 'a port'],
  'traffic.sidecar.istio.io/includeInboundPorts': [isList(isPort), 'ports, separated by commas'],
  'traffic.sidecar.istio.io/excludeInboundPorts': [isList(isPort), 'ports, separated by commas'],
  'traffic.sidecar.istio.io/includeOutboundPorts': [isList(isPort), 'ports, separated by commas'],
  'traffic.sidecar.istio.io/excludeOutboundPorts': [isList(isPort), 'ports, separated by commas'],
  'traffic.sidecar.istio.io/includeOutboundIPRanges': [
    isList(isBlock),
    'CIDR blocks, separated by commas',
  ],
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': [
    isList(isBlock),
    'CIDR blocks, separated by commas',
  ],
};

const INJECT = 'sidecar.istio.io/inject';
const PROXY = 'istio-proxy';

function analyseAnnotations({ metadata }: Resource): Finding[] {
  const { annotations = {}, labels = {} } = metadata;
  const wrong = Object.entries(annotations).flatMap(([name, value]): Finding[] => {
    const [isValid, wanted] = own(VALUES, name) ?? [];
    return isValid === undefined || isValid(value)
      ? []
      : [
          {
            code: 'IST0125',
            level: 'warning',
            path: `metadata.annotations.${name}`,
            message: `annotation ${name} has ${JSON.stringify(value)}, want ${wanted ?? ''}`,
            remedy: 'correct the value',
          },
        ];
  });
  if (annotations[INJECT] === undefined || labels[INJECT] !== undefined) return wrong;
  return [
    ...wrong,
    {
      code: 'IST0135',
      level: 'info',
      path: `metadata.annotations.${INJECT}`,
      message: `annotation ${INJECT} is deprecated: a label of that name took its place`,
      remedy: `set the label ${INJECT} instead`,
    },
  ];
}

const injectedNamespaces = perMesh(
  (mesh) =>
    new Set(
      mesh
        .of('Namespace', '')
        .filter(
          ({ metadata }) =>
            metadata.labels?.['istio-injection'] === 'enabled' ||
            metadata.labels?.['istio.io/rev'] !== undefined,
        )
        .map(({ metadata }) => metadata.name),
    ),
);

/** It was there before its namespace was to have proxies, and wasn't started anew. */
function analyseProxy(pod: Resource<PodSpec>, mesh: MeshView): Finding[] {
  const { metadata, spec } = pod;
  if (!injectedNamespaces(mesh).has(metadata.namespace) || spec.hostNetwork === true) return [];
  const wish = metadata.labels?.[INJECT] ?? metadata.annotations?.[INJECT];
  if (wish === 'false') return [];
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  return containers.some(({ name }) => name === PROXY)
    ? []
    : [
        {
          code: 'IST0103',
          level: 'warning',
          path: 'spec.containers',
          message: `namespace ${metadata.namespace} is to have proxies, and this pod has none`,
          remedy: 'start it anew, or label it sidecar.istio.io/inject: "false"',
        },
      ];
}

interface Exposed {
  readonly service: string;
  readonly port: number;
  readonly target: number | string;
  readonly protocol: string;
}

function exposedBy(deployment: Resource<DeploymentSpec>, mesh: MeshView): Exposed[] {
  const labels = deployment.spec.template?.metadata?.labels ?? {};
  return mesh
    .of<ServiceSpec>('Service', '')
    .filter(
      ({ metadata, spec }) =>
        metadata.namespace === deployment.metadata.namespace &&
        Object.keys(spec.selector ?? {}).length > 0 &&
        selects(spec.selector, labels),
    )
    .flatMap(({ metadata, spec }) =>
      (spec.ports ?? []).map(({ port, targetPort, protocol = 'TCP' }) => ({
        service: metadata.name,
        port,
        target: targetPort ?? port,
        protocol,
      })),
    );
}

/** Services that say different things of one port of the same pods. */
function analyseServices(deployment: Resource<DeploymentSpec>, mesh: MeshView): Finding[] {
  if (!injectedNamespaces(mesh).has(deployment.metadata.namespace)) return [];
  const exposed = exposedBy(deployment, mesh);
  const protocols = [...Map.groupBy(exposed, ({ port }) => port)].filter(
    ([, same]) => new Set(same.map(({ protocol }) => protocol)).size > 1,
  );
  const targets = [...Map.groupBy(exposed, ({ target }) => target)].filter(
    ([, same]) => new Set(same.map(({ port }) => port)).size > 1,
  );
  const names = (same: readonly Exposed[]): string =>
    [...new Set(same.map(({ service }) => service))].join(' and ');
  return [
    ...protocols.map(([port, same]): Finding => ({
      code: 'IST0116',
      level: 'warning',
      path: 'spec.template',
      message: `Services ${names(same)} give port ${port} of these pods different protocols`,
      remedy: 'use one protocol for a port',
    })),
    ...targets.map(([target, same]): Finding => ({
      code: 'IST0137',
      level: 'warning',
      path: 'spec.template',
      message: `Services ${names(same)} lead ports ${[...new Set(same.map(({ port }) => port))].join(' and ')} to target port ${target} of these pods`,
      remedy: 'lead one port to a target port',
    })),
  ];
}

export const analysePod: Analyser = (resource, mesh) => [
  ...analyseAnnotations(resource),
  ...analyseProxy(resource as Resource<PodSpec>, mesh),
];

export const analyseDeployment: Analyser = (resource, mesh) => [
  ...analyseAnnotations(resource),
  ...analyseServices(resource as Resource<DeploymentSpec>, mesh),
];
