/** A host's description as people read it. */
import type {
  AttachmentView,
  CertificateView,
  DestinationView,
  EndpointView,
  HostDescription,
  Named,
  RouteView,
  ServiceView,
  TrafficPolicyView,
} from '../src/config/describe/model.ts';
import { diagnosticText, table } from './output.ts';

const indent = (text: string): string => text.replaceAll(/^(?=.)/gm, '  ');
const orNone = (text: string): string => (text === '' ? '<none>' : text);
const from = ({ resource, path }: Named): string => `${resource} ${path}`;
const short = (host: string): string => host.replace(/\.svc\.cluster\.local$/, '');
const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

function section(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  if (rows.length === 0) return [`${`${title}:`.padEnd(12)} <none>`];
  // A column that is empty in every row is left out.
  const kept = header.map((_, column) => rows.some((row) => (row[column] ?? '') !== ''));
  const trim = (row: readonly string[]): string[] => row.filter((_, column) => kept[column]);
  return [
    `${title}:`,
    indent(
      table(
        trim(header),
        rows.map((row) => trim(row)),
      ).trimEnd(),
    ),
  ];
}

function serviceLines(service: ServiceView): string[] {
  const ports = service.ports.map(
    ({ number, name, protocol, targetPort }) =>
      `${number}/${protocol} ${name}${targetPort === undefined ? '' : ` -> ${targetPort}`}`,
  );
  return [
    `Service:     ${from(service)}`,
    `Ports:       ${orNone(ports.join(', '))}`,
    `Resolution:  ${service.resolution}, ${service.location}`,
    `Exported to: ${orNone(service.exportTo.join(', '))}`,
    ...(service.addresses.length === 0 ? [] : [`Addresses:   ${service.addresses.join(', ')}`]),
    ...service.alsoDefinedBy.map((other) => `Also in:     ${from(other)}`),
    ...(service.hidden === undefined ? [] : [`Hidden:      ${service.hidden}`]),
  ];
}

function policyWords(list: readonly TrafficPolicyView[]): string {
  return list
    .map(({ words, ports }) => (list.length === 1 ? words : `port ${ports.join(', ')}: ${words}`))
    .join('; ');
}

function trafficLines(list: readonly TrafficPolicyView[]): string[] {
  const [first] = list;
  if (first === undefined) return [];
  const source =
    first.resource === undefined ? "the mesh's defaults" : `${first.resource} ${first.path ?? ''}`;
  return [`Traffic:     ${policyWords(list)}   (${source})`];
}

function endpointRow(endpoint: EndpointView): string[] {
  const ports = endpoint.ports.map(({ port, targetPort }) =>
    port === targetPort ? String(port) : `${port} -> ${targetPort}`,
  );
  return [
    endpoint.address,
    ports.join(', '),
    endpoint.ready ? 'yes' : 'no',
    endpoint.subsets.join(', '),
    labelsText(endpoint.labels),
    endpoint.locality ?? '',
    from(endpoint),
  ];
}

function destinationText(destination: DestinationView): string {
  const { host, subset, port, weight, mirrorPercent, refusal } = destination;
  return [
    mirrorPercent === undefined ? '' : `mirror ${mirrorPercent}% `,
    short(host),
    port === undefined ? '' : `:${port}`,
    subset === undefined ? '' : ` subset ${subset}`,
    weight === undefined ? '' : ` (${weight})`,
    refusal === undefined ? '' : ` REFUSED ${refusal}`,
  ].join('');
}

function attachmentText({ parent, accepted, inForce, reason }: AttachmentView): string {
  const state = accepted ? (inForce ? '' : ' not in force') : ' not accepted';
  return `${parent}${state}${reason === undefined ? '' : ` (${reason})`}`;
}

/** What a rule is attached to has lines of its own below its first. */
function routeRows(route: RouteView): string[][] {
  const [first = '', ...others] = route.attachments.map((one) => attachmentText(one));
  return [
    [
      from(route),
      route.name ?? '',
      route.root ?? '',
      route.roles.filter((role) => role !== 'for' && role !== 'to').join(', '),
      route.hosts.join(', '),
      route.match,
      route.action,
      route.destinations.map((one) => destinationText(one)).join(', '),
      route.attachments.length === 0 ? '<nothing>' : first,
    ],
    ...others.map((text) => ['', '', '', '', '', '', '', '', text]),
  ];
}

const ROUTE_HEADER = [
  'RULE',
  'NAME',
  'DELEGATED BY',
  'AS',
  'HOSTS',
  'MATCH',
  'ACTION',
  'TO',
  'ATTACHED TO',
];

function certificateText({ secret, exists, reason, names, notAfter }: CertificateView): string {
  if (!exists) return `${secret} MISSING`;
  return [
    secret,
    ...(reason === undefined ? [] : [reason]),
    ...(names === undefined ? [] : [names.join(' ')]),
    ...(notAfter === undefined ? [] : [`until ${notAfter}`]),
  ].join(', ');
}

function gatewaySection({ gateways }: HostDescription): string[] {
  return section(
    'Gateways',
    ['SERVER', 'NAME', 'PORT', 'TLS', 'HOSTS', 'HOW', 'CERTIFICATES', 'STATE'],
    gateways.map((one) => [
      from(one),
      one.name ?? '',
      `${one.port}/${one.protocol}`,
      one.tlsMode ?? '',
      one.hosts.join(', '),
      one.takesHost ? 'takes the host' : 'leads to it',
      one.certificates.map((certificate) => certificateText(certificate)).join('; '),
      `${one.accepted ? 'accepted' : 'not accepted'}${one.reason === undefined ? '' : ` (${one.reason})`}`,
    ]),
  );
}

function policySections({ service, mtls, policies }: HostDescription): string[] {
  const modes = mtls.map(({ workloads, mode, ports }) => [workloads, mode, labelsText(ports)]);
  return [
    ...(service === undefined ? [] : section('mTLS', ['WORKLOADS', 'MODE', 'PORTS'], modes)),
    ...section(
      'Policies',
      ['POLICY', 'ACTION', 'HOLDS FOR', 'ENFORCED'],
      policies.map((policy) => [
        from(policy),
        policy.action,
        policy.holdsFor.join(', '),
        `${policy.enforced ? 'yes' : 'no'}${policy.reason === undefined ? '' : ` (${policy.reason})`}`,
      ]),
    ),
  ];
}

function endpointSections({ endpoints, subsets }: HostDescription): string[] {
  return [
    ...section(
      'Endpoints',
      ['ADDRESS', 'PORTS', 'READY', 'SUBSETS', 'LABELS', 'LOCALITY', 'FROM'],
      endpoints.map((endpoint) => endpointRow(endpoint)),
    ),
    ...section(
      'Subsets',
      ['NAME', 'LABELS', 'ENDPOINTS', 'TRAFFIC', 'FROM'],
      subsets.map((subset) => [
        subset.name,
        labelsText(subset.labels),
        subset.endpoints === 0 ? '0: NONE SELECTED' : String(subset.endpoints ?? ''),
        policyWords(subset.trafficPolicy),
        from(subset),
      ]),
    ),
  ];
}

export function hostText(description: HostDescription): string {
  const { host, namespace, names, service, trafficPolicy, routes, findings } = description;
  const others = names.filter((name) => name !== host);
  const isFor = ({ roles }: RouteView): boolean => roles.includes('for');
  const rows = (list: readonly RouteView[]): string[][] =>
    list.flatMap((route) => routeRows(route));
  return [
    `Host:        ${host}`,
    ...(others.length === 0 ? [] : [`Also called: ${others.join(', ')}`]),
    `Seen from:   namespace ${namespace}`,
    ...(service === undefined ? ['Service:     <none>'] : serviceLines(service)),
    ...trafficLines(trafficPolicy),
    ...(service === undefined ? [] : endpointSections(description)),
    ...section('Routes for it', ROUTE_HEADER, rows(routes.filter((route) => isFor(route)))),
    ...section('Routes to it', ROUTE_HEADER, rows(routes.filter((route) => !isFor(route)))),
    ...gatewaySection(description),
    ...policySections(description),
    `Findings:    ${findings.length === 0 ? '<none>' : ''}`.trimEnd(),
    ...findings.map((finding) => indent(diagnosticText(finding))),
    '',
  ].join('\n');
}
