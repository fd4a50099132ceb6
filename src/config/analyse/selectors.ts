/** IST0110, IST0111, IST0159, IST0160, IST0101, IST0166, IST0167, IST0002: kinds of which one alone counts for a workload. */
import type { LabelSelector, Labels, Resource } from '../../model/api.ts';
import { selects } from '../compile/names.ts';
import type { Analyser, Finding, MeshView, Workload } from './mesh.ts';
import { mayHold, workloadsOf } from './mesh.ts';

interface Selecting {
  readonly selector?: LabelSelector;
  readonly workloadSelector?: { readonly labels?: Labels };
  readonly targetRef?: unknown;
  readonly targetRefs?: readonly unknown[];
}

interface Codes {
  readonly group: string;
  /** Two without selector in one namespace. */
  readonly defaults: string;
  /** Two for the same workload. */
  readonly same: string;
  readonly path: string;
}

const SIDECAR: Codes = {
  group: 'networking.istio.io',
  defaults: 'IST0111',
  same: 'IST0110',
  path: 'spec.workloadSelector',
};
const TELEMETRY: Codes = {
  group: 'telemetry.istio.io',
  defaults: 'IST0160',
  same: 'IST0159',
  path: 'spec.selector',
};
const GATEWAY_LABEL = 'gateway.networking.k8s.io/gateway-name';

function labelsOf(spec: Selecting | undefined): Labels {
  return spec?.selector?.matchLabels ?? spec?.workloadSelector?.labels ?? {};
}

const isAttached = (spec: Selecting | undefined): boolean =>
  spec?.targetRef !== undefined || (spec?.targetRefs ?? []).length > 0;

const nameOf = ({ metadata }: Resource): string => `${metadata.namespace}/${metadata.name}`;

function analyseDefault(
  own: Resource<Selecting>,
  others: readonly Resource[],
  codes: Codes,
): Finding[] {
  const [other] = others.filter(({ spec }) => {
    const selecting = spec as Selecting | undefined;
    return Object.keys(labelsOf(selecting)).length === 0 && !isAttached(selecting);
  });
  if (other === undefined) return [];
  return [
    {
      code: codes.defaults,
      level: 'error',
      path: 'spec',
      message: `${own.kind} ${nameOf(other)} has no selector either: one of them counts for the namespace`,
      remedy: 'join them, or give one a selector',
    },
  ];
}

function analyseSelected(
  own: Resource<Selecting>,
  around: { readonly others: readonly Resource[]; readonly codes: Codes; readonly mesh: MeshView },
): Finding[] {
  const { others, codes, mesh } = around;
  const selected = workloadsOf(mesh).filter((workload) =>
    mayHold(labelsOf(own.spec), own.metadata.namespace, workload),
  );
  if (selected.length === 0)
    return [
      {
        code: 'IST0101',
        level: 'error',
        path: codes.path,
        message: `no known workload of namespace ${own.metadata.namespace} has these labels`,
        remedy: 'correct the selector, or register the workload',
      },
    ];
  const ineffective = own.kind === 'Telemetry' ? analyseEffect(selected) : [];
  const rival = others.find((other) => {
    const labels = labelsOf(other.spec as Selecting | undefined);
    return (
      Object.keys(labels).length > 0 &&
      selected.some((workload) => selects(labels, workload.labels))
    );
  });
  if (rival === undefined) return ineffective;
  return [
    ...ineffective,
    {
      code: codes.same,
      level: 'error',
      path: codes.path,
      message: `${own.kind} ${nameOf(rival)} selects one of these workloads too: the order of the two decides`,
      remedy: 'make the selectors exclude each other',
    },
  ];
}

/** Proxies of a Kubernetes Gateway are reached by naming the Gateway. */
function analyseEffect(selected: readonly Workload[]): Finding[] {
  const isGateway = ({ labels }: Workload): boolean => labels[GATEWAY_LABEL] !== undefined;
  return selected.length > 0 && selected.every((workload) => isGateway(workload))
    ? [
        {
          code: 'IST0166',
          level: 'warning',
          path: 'spec.selector',
          message: 'a selector is not how proxies of a Kubernetes Gateway are meant to be named',
          remedy: 'attach it by targetRefs',
        },
      ]
    : [];
}

export const analyseSelector: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<Selecting | undefined>;
  const labels = labelsOf(spec);
  if (isAttached(spec) || Object.keys(labels).length === 0) return [];
  const isEverywhere = metadata.namespace === mesh.config.rootNamespace;
  const selected = workloadsOf(mesh).filter((workload) =>
    mayHold(labels, isEverywhere ? undefined : metadata.namespace, workload),
  );
  return analyseEffect(selected);
};

function analyseOverlap(resource: Resource, mesh: MeshView, codes: Codes): Finding[] {
  const own = resource as Resource<Selecting>;
  if (isAttached(own.spec)) return [];
  const others = mesh
    .of(own.kind, codes.group)
    .filter(
      (other) => other !== resource && other.metadata.namespace === resource.metadata.namespace,
    );
  return Object.keys(labelsOf(own.spec)).length === 0
    ? analyseDefault(own, others, codes)
    : analyseSelected(own, { others, codes, mesh });
}

export const analyseSidecar: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<{
    readonly outboundTrafficPolicy?: { readonly egressProxy?: unknown };
  }>;
  const [home] = mesh
    .of('Namespace', '')
    .filter(({ metadata: of }) => of.name === metadata.namespace);
  const isAmbient = home?.metadata.labels?.['istio.io/dataplane-mode'] === 'ambient';
  return [
    ...analyseOverlap(resource, mesh, SIDECAR),
    ...(isAmbient
      ? [
          {
            code: 'IST0167',
            level: 'warning' as const,
            path: 'metadata.namespace',
            message: `namespace ${metadata.namespace} is in ambient mode: a Sidecar has no effect there`,
            remedy: 'remove it',
          },
        ]
      : []),
    ...(spec.outboundTrafficPolicy?.egressProxy === undefined
      ? []
      : [deprecated('spec.outboundTrafficPolicy.egressProxy', 'egressProxy')]),
  ];
};

const deprecated = (path: string, what: string): Finding => ({
  code: 'IST0002',
  level: 'warning',
  path,
  message: `${what} is deprecated`,
  remedy: 'use what took its place',
});

export const analyseTelemetry: Analyser = (resource, mesh) => {
  const { spec } = resource as Resource<
    | {
        readonly tracing?: readonly { readonly providers?: readonly { readonly name: string }[] }[];
      }
    | undefined
  >;
  const old = new Set(mesh.config.deprecatedProviders);
  return [
    ...analyseOverlap(resource, mesh, TELEMETRY),
    ...(spec?.tracing ?? []).flatMap(({ providers = [] }, index) =>
      providers.some(({ name }) => old.has(name))
        ? [deprecated(`spec.tracing[${index}].providers`, 'a tracing provider of kind lightstep')]
        : [],
    ),
  ];
};
