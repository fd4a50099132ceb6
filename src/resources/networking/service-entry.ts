import { z } from 'zod';
import { parseCidr } from '../../lib/cidr.ts';
import type { Resource, ServiceEntrySpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import {
  checkDryRun,
  checkExportTo,
  checkPort,
  checkSelector,
  isBinding,
  isHostOrWildcard,
  isIpAddress,
} from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { integer, labels, text, texts } from '../fields.ts';
import { checkWorkloadEntry, workloadEntrySchema } from './workload-entry.ts';

const spec = z.strictObject({
  hosts: texts.min(1, { error: 'hosts needs at least one host' }),
  addresses: texts.optional(),
  ports: z
    .array(
      z.strictObject({
        number: integer,
        protocol: text.optional(),
        name: text,
        targetPort: integer.optional(),
      }),
    )
    .optional(),
  location: z.enum(['MESH_EXTERNAL', 'MESH_INTERNAL']).optional(),
  resolution: z.enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']).optional(),
  endpoints: z.array(workloadEntrySchema).optional(),
  workloadSelector: z.strictObject({ labels: labels.optional() }).optional(),
  exportTo: texts.optional(),
  subjectAltNames: texts.optional(),
});

const PROTOCOLS = new Set([
  '',
  'HTTP',
  'HTTPS',
  'GRPC',
  'GRPC-WEB',
  'HTTP2',
  'MONGO',
  'TCP',
  'TLS',
  'UDP',
  'MYSQL',
  'REDIS',
]);
const NAMED_PROTOCOLS = new Set(['', 'HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'TLS']);
type Entry = ServiceEntrySpec;

function checkHosts(entry: Entry, faults: Faults): void {
  for (const [index, host] of entry.hosts.entries()) {
    const path = `spec.hosts[${index}]`;
    if (host === '*') faults.error(path, 'host * is not allowed, want a name');
    else if (!isHostOrWildcard(host))
      faults.error(path, `host ${JSON.stringify(host)} is an invalid name`);
  }
}

function checkPorts(entry: Entry, faults: Faults): void {
  const numbers = new Set<number>();
  const names = new Set<string>();
  for (const [index, port] of (entry.ports ?? []).entries()) {
    const path = `spec.ports[${index}]`;
    if (names.has(port.name)) faults.error('spec.ports', `port name ${port.name} stands twice`);
    if (numbers.has(port.number))
      faults.error('spec.ports', `port number ${port.number} stands twice`);
    names.add(port.name);
    numbers.add(port.number);
    if (port.name === '') faults.error(`${path}.name`, 'port needs a name');
    checkPort(port.number, `${path}.number`, faults);
    if (port.targetPort !== undefined) {
      checkPort(port.targetPort, `${path}.targetPort`, faults);
      if ((entry.resolution ?? 'NONE') === 'NONE' && port.targetPort !== port.number)
        faults.error(`${path}.targetPort`, 'targetPort needs a resolution other than NONE');
    }
    if (!PROTOCOLS.has((port.protocol ?? '').toUpperCase()))
      faults.error(`${path}.protocol`, `protocol ${port.protocol ?? ''} is not supported`);
  }
}

function checkAddresses(entry: Entry, faults: Faults): void {
  const resolution = entry.resolution ?? 'NONE';
  for (const [index, address] of (entry.addresses ?? []).entries()) {
    const path = `spec.addresses[${index}]`;
    if (parseCidr(address) === undefined)
      faults.error(path, `address ${JSON.stringify(address)} is no IP address or CIDR block`);
    else if (address.includes('/') && resolution !== 'NONE' && resolution !== 'STATIC')
      faults.error(path, 'CIDR addresses need resolution NONE or STATIC');
  }
}

/** Endpoints against the way their addresses are found. */
function checkResolution(entry: Entry, faults: Faults): void {
  const { endpoints = [], hosts } = entry;
  const resolution = entry.resolution ?? 'NONE';
  if (resolution === 'NONE' && endpoints.length > 0)
    faults.error(
      'spec.endpoints',
      'endpoints need a resolution: NONE (the default) uses the address that the caller asked for',
    );
  if (resolution === 'STATIC')
    for (const [index, endpoint] of endpoints.entries())
      if (
        endpoint.address !== undefined &&
        !endpoint.address.startsWith('unix://') &&
        !isBinding(endpoint.address) &&
        !isIpAddress(endpoint.address) &&
        endpoint.address !== ''
      )
        faults.error(
          `spec.endpoints[${index}].address`,
          `address ${endpoint.address} must be an IP address with resolution STATIC`,
        );
  if (resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') {
    if (
      endpoints.length === 0 &&
      entry.workloadSelector === undefined &&
      hosts.some((host) => host.startsWith('*'))
    )
      faults.error(
        'spec.hosts',
        'hosts must be FQDNs when DNS has no endpoints: a wildcard can not be looked up',
      );
    if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1)
      faults.error('spec.endpoints', 'DNS_ROUND_ROBIN takes at most one endpoint');
  }
  if (resolution === 'DYNAMIC_DNS') {
    for (const [index, host] of hosts.entries())
      if (!host.startsWith('*'))
        faults.error(`spec.hosts[${index}]`, 'DYNAMIC_DNS is for wildcard hosts');
    if (endpoints.length > 0) faults.error('spec.endpoints', 'DYNAMIC_DNS takes no endpoints');
    for (const [index, port] of (entry.ports ?? []).entries())
      if (!NAMED_PROTOCOLS.has((port.protocol ?? '').toUpperCase()))
        faults.error(
          `spec.ports[${index}].protocol`,
          `protocol ${port.protocol ?? ''} can not be used with DYNAMIC_DNS`,
        );
  }
}

/** Nobody allocates an address for resolution NONE. */
function checkUnaddressed(
  { addresses = [], ports = [], resolution = 'NONE' }: Entry,
  faults: Faults,
): void {
  if (resolution !== 'NONE' || addresses.length > 0) return;
  for (const [index, { protocol = '' }] of ports.entries())
    if (protocol.toUpperCase() === 'TCP')
      faults.warn(
        `spec.ports[${index}]`,
        'a TCP port with resolution NONE and no addresses takes every connection of that port',
      );
}

function checkEndpoints(entry: Entry, faults: Faults): void {
  checkUnaddressed(entry, faults);
  const names = new Set((entry.ports ?? []).map((port) => port.name));
  for (const [index, endpoint] of (entry.endpoints ?? []).entries()) {
    const path = `spec.endpoints[${index}]`;
    checkWorkloadEntry(endpoint, { path, faults, allowsNames: entry.resolution !== 'STATIC' });
    for (const name of Object.keys(endpoint.ports ?? {}))
      if (!names.has(name))
        faults.error(`${path}.ports`, `endpoint port ${name} is no port of the service entry`);
  }
}

function validate(entry: Entry, resource: Resource): Faults['list'] {
  const faults = new Faults();
  checkDryRun(resource.metadata.annotations, faults, false);
  checkHosts(entry, faults);
  checkAddresses(entry, faults);
  checkPorts(entry, faults);
  checkResolution(entry, faults);
  checkEndpoints(entry, faults);
  if (entry.workloadSelector !== undefined) {
    if ((entry.endpoints?.length ?? 0) > 0)
      faults.error('spec', 'Endpoints and workloadSelector exclude each other');
    checkSelector(
      { matchLabels: entry.workloadSelector.labels ?? {} },
      'spec.workloadSelector.labels',
      faults,
    );
  }
  checkExportTo(entry.exportTo, faults, { none: true });
  return faults.list;
}

export const serviceEntry: ResourceKind = defineKind<ServiceEntrySpec>({
  group: 'networking.istio.io',
  kind: 'ServiceEntry',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'serviceentries',
  spec,
  validate,
});
