import { z } from 'zod';
import type { SidecarEgress, SidecarIngress, SidecarSpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkPort, checkSelector, isDnsLabel, isHostOrWildcard, isIpAddress } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { anyMap, integer, labels, text, texts } from '../fields.ts';

const port = z.strictObject({
  number: integer.optional(),
  protocol: text.optional(),
  name: text.optional(),
  targetPort: integer.optional(),
});
const captureMode = z.enum(['DEFAULT', 'IPTABLES', 'NONE']).optional();

const spec = z.strictObject({
  workloadSelector: z.strictObject({ labels: labels.optional() }).optional(),
  ingress: z
    .array(
      z.strictObject({
        port: port.optional(),
        bind: text.optional(),
        captureMode,
        defaultEndpoint: text.optional(),
        tls: anyMap.optional(),
        connectionPool: anyMap.optional(),
      }),
    )
    .optional(),
  egress: z
    .array(
      z.strictObject({
        port: port.optional(),
        bind: text.optional(),
        captureMode,
        hosts: texts,
      }),
    )
    .optional(),
  inboundConnectionPool: anyMap.optional(),
  outboundTrafficPolicy: z
    .strictObject({
      mode: z.enum(['REGISTRY_ONLY', 'ALLOW_ANY']).optional(),
      egressProxy: anyMap.optional(),
    })
    .optional(),
});

/** `namespace/host`; `~` before the namespace takes it out again. */
function checkHost(host: string, path: string, faults: Faults): void {
  const slash = host.indexOf('/');
  if (slash < 0) {
    faults.error(path, `host ${host} has no namespace, want namespace/host`);
    return;
  }
  const owner = host.slice(0, slash).replace(/^~(?=.)/, '');
  const name = host.slice(slash + 1);
  if (owner === '' || name === '') faults.error(path, `host ${host} has an empty part`);
  else if (!['*', '.', '~'].includes(owner) && !isDnsLabel(owner))
    faults.error(path, `namespace ${owner} of ${host} is none`);
  else if (!isHostOrWildcard(name)) faults.error(path, `${name} of ${host} is no host`);
}

function checkEgress(listeners: readonly SidecarEgress[], faults: Faults): void {
  const seen = new Set<number>();
  let open = 0;
  for (const [
    index,
    { port: at, bind = '', captureMode: capture, hosts = [] },
  ] of listeners.entries()) {
    const path = `spec.egress[${index}]`;
    const isUnix = bind.startsWith('unix://');
    const number = at?.number ?? 0;
    if (at === undefined) open++;
    else if (isUnix) {
      if (capture === 'IPTABLES')
        faults.error(`${path}.captureMode`, 'captureMode IPTABLES can not capture a unix socket');
    } else if (number === 0)
      faults.error(`${path}.port.number`, 'port 0 goes with a unix socket only');
    else {
      checkPort(number, `${path}.port.number`, faults);
      if (seen.has(number)) faults.error('spec.egress', `port ${number} has two listeners`);
      seen.add(number);
    }
    if (bind !== '' && !isUnix && !isIpAddress(bind))
      faults.error(`${path}.bind`, `bind ${bind} is no IP address or unix socket`);
    if (hosts.length === 0) faults.error(`${path}.hosts`, 'a listener needs hosts');
    for (const [i, host] of hosts.entries()) checkHost(host, `${path}.hosts[${i}]`, faults);
  }
  if (open > 1) faults.error('spec.egress', 'only one listener may have an empty port');
}

const TLS_PROTOCOLS = new Set(['HTTPS', 'TLS']);

function checkIngressTls({ port: at, tls }: SidecarIngress, path: string, faults: Faults): void {
  if (tls === undefined) return;
  if (!TLS_PROTOCOLS.has((at?.protocol ?? '').toUpperCase()))
    faults.error(path, `TLS needs a port of protocol HTTPS or TLS, not ${at?.protocol ?? 'none'}`);
  if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH')
    faults.error(`${path}.mode`, `mode ${tls.mode} is not for inbound listeners`);
  for (const name of ['credentialName', 'httpsRedirect', 'subjectAltNames'] as const)
    if (tls[name] !== undefined)
      faults.error(`${path}.${name}`, `${name} is not for inbound listeners`);
}

function checkEndpoint(endpoint: string, path: string, faults: Faults): void {
  if (endpoint.startsWith('unix://')) return;
  const [, address, digits] = /^(.*):([^:]*)$/.exec(endpoint) ?? [];
  const number = Number(digits);
  if (address === undefined) faults.error(path, `${endpoint} has no port, want address:port`);
  else if (!/^\d+$/.test(digits ?? '') || number < 1 || number > 65_535)
    faults.error(path, `port ${digits ?? ''} of ${endpoint} is no number of 1 to 65535`);
  else if (!['127.0.0.1', '[::1]', '0.0.0.0', '[::]'].includes(address))
    faults.error(path, `${address} is not the workload itself, want 127.0.0.1, [::1] or 0.0.0.0`);
}

function checkIngress(listeners: readonly SidecarIngress[], faults: Faults): void {
  const seen = new Set<number>();
  for (const [index, listener] of listeners.entries()) {
    const path = `spec.ingress[${index}]`;
    const { port: at, bind = '', defaultEndpoint } = listener;
    if (at === undefined) faults.error(`${path}.port`, 'an inbound listener needs a port');
    else {
      checkPort(at.number ?? 0, `${path}.port.number`, faults);
      if (seen.has(at.number ?? 0))
        faults.error('spec.ingress', `port ${at.number ?? 0} has two listeners`);
      seen.add(at.number ?? 0);
    }
    if (bind !== '' && !isIpAddress(bind))
      faults.error(`${path}.bind`, `bind ${bind} is no IP address`);
    if (defaultEndpoint !== undefined && defaultEndpoint !== '')
      checkEndpoint(defaultEndpoint, `${path}.defaultEndpoint`, faults);
    checkIngressTls(listener, `${path}.tls`, faults);
  }
}

/** What imports and policies leave: listeners of its own are for runtimes that open sockets. */
function notEnforced({ egress = [], ingress = [], ...rest }: SidecarSpec) {
  const reason = 'no runtime of this version opens listeners of its own for a workload';
  return [
    ...egress.flatMap((listener, index) =>
      (['port', 'bind', 'captureMode'] as const)
        .filter((name) => listener[name] !== undefined)
        .map((name) => ({ path: `spec.egress[${index}].${name}`, reason })),
    ),
    ...ingress.map((_listener, index) => ({ path: `spec.ingress[${index}]`, reason })),
    ...(rest.inboundConnectionPool === undefined
      ? []
      : [{ path: 'spec.inboundConnectionPool', reason: 'connection limits come later' }]),
    ...(rest.outboundTrafficPolicy?.egressProxy === undefined
      ? []
      : [{ path: 'spec.outboundTrafficPolicy.egressProxy', reason: 'it is deprecated' }]),
  ];
}

export const sidecar: ResourceKind = defineKind<SidecarSpec>({
  group: 'networking.istio.io',
  kind: 'Sidecar',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'sidecars',
  spec,
  notEnforced: (given) => notEnforced(given),
  validate(given) {
    const faults = new Faults();
    const { workloadSelector, ingress = [], egress = [], outboundTrafficPolicy } = given;
    checkSelector(
      { matchLabels: workloadSelector?.labels ?? {} },
      'spec.workloadSelector.labels',
      faults,
    );
    const isEmpty = ingress.length + egress.length === 0;
    if (isEmpty && outboundTrafficPolicy === undefined && given.inboundConnectionPool === undefined)
      faults.error('spec', 'a Sidecar says something of ingress, egress or its policies');
    checkEgress(egress, faults);
    checkIngress(ingress, faults);
    if (
      outboundTrafficPolicy?.egressProxy !== undefined &&
      outboundTrafficPolicy.mode !== 'ALLOW_ANY'
    )
      faults.error(
        'spec.outboundTrafficPolicy.egressProxy',
        'an egress proxy needs mode ALLOW_ANY',
      );
    return faults.list;
  },
});
