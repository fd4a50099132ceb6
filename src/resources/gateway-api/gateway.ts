/** Gateway and ListenerSet: schema and the CRDs' rules. */
import { z } from 'zod';
import type { ApiGatewaySpec, ApiListener, ListenerSetSpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { isIpAddress } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { labels, texts } from '../fields.ts';
import { checkUniqueNames } from './checks.ts';
import {
  groupName,
  hostname,
  kindName,
  listOf,
  localRef,
  namespaceName,
  objectName,
  portNumber,
  secretRef,
  sectionName,
  textMap,
  word,
} from './fields.ts';

const PROTOCOL =
  /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$|^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$/;
const ADDRESS_TYPE =
  /^(?:Hostname|IPAddress|NamedAddress|[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+)$/;

const selector = z.strictObject({
  matchLabels: labels.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: texts.optional(),
      }),
    )
    .optional(),
});

/** `None` is for ListenerSets alone. */
const namespaces = <From extends string>(from: readonly [From, ...From[]]): z.ZodType =>
  z.strictObject({ from: z.enum(from).optional(), selector: selector.optional() });

const tls = z.strictObject({
  mode: z.enum(['Terminate', 'Passthrough']).optional(),
  certificateRefs: listOf(secretRef, 64).optional(),
  options: textMap(16).optional(),
});

const listenerFields = {
  name: sectionName,
  hostname: hostname.optional(),
  protocol: word(PROTOCOL, 255, 'protocol'),
  tls: tls.optional(),
  allowedRoutes: z
    .strictObject({
      namespaces: namespaces(['All', 'Selector', 'Same']).optional(),
      kinds: listOf(z.strictObject({ group: groupName.optional(), kind: kindName }), 8).optional(),
    })
    .optional(),
} as const;

const listener = z.strictObject({ ...listenerFields, port: portNumber });
/** A ListenerSet may leave the port to the protocol. */
const setListener = z.strictObject({ ...listenerFields, port: portNumber.optional() });

const validation = z.strictObject({
  caCertificateRefs: listOf(secretRef, 8, 1),
  mode: z.enum(['AllowValidOnly', 'AllowInsecureFallback']).optional(),
});
const frontend = z.strictObject({ validation: validation.optional() });

const gatewaySpec = z.strictObject({
  gatewayClassName: objectName,
  listeners: listOf(listener, 64, 1),
  addresses: listOf(
    z.strictObject({
      type: word(
        ADDRESS_TYPE,
        253,
        'type of an address: IPAddress, Hostname or domain/type',
      ).optional(),
      value: z.string().max(253).optional(),
    }),
    16,
  ).optional(),
  infrastructure: z
    .strictObject({
      labels: textMap(8).optional(),
      annotations: textMap(8).optional(),
      parametersRef: localRef.optional(),
    })
    .optional(),
  allowedListeners: z
    .strictObject({ namespaces: namespaces(['All', 'Selector', 'Same', 'None']).optional() })
    .optional(),
  tls: z
    .strictObject({
      backend: z.strictObject({ clientCertificateRef: secretRef.optional() }).optional(),
      frontend: z
        .strictObject({
          default: frontend,
          perPort: listOf(z.strictObject({ port: portNumber, tls: frontend }), 64).optional(),
        })
        .optional(),
    })
    .optional(),
  defaultScope: z.enum(['All', 'None']).optional(),
});

const isOf = ({ protocol }: ApiListener, ...protocols: readonly string[]): boolean =>
  protocols.includes(protocol);

function checkListenerTls(given: ApiListener, path: string, faults: Faults): void {
  const at = 'spec.listeners';
  if (given.tls !== undefined && isOf(given, 'HTTP', 'TCP', 'UDP'))
    faults.error(
      at,
      `listener ${given.name} has tls and speaks ${given.protocol}, want no tls there`,
    );
  if (isOf(given, 'HTTPS') && (given.tls?.mode ?? 'Terminate') !== 'Terminate')
    faults.error(
      at,
      `listener ${given.name} speaks HTTPS with tls mode Passthrough, want Terminate`,
    );
  if (isOf(given, 'TLS') && given.tls === undefined)
    faults.error(at, `listener ${given.name} speaks TLS without tls, want its mode`);
  const { mode = 'Terminate', certificateRefs = [], options = {} } = given.tls ?? {};
  if (
    given.tls !== undefined &&
    mode === 'Terminate' &&
    certificateRefs.length + Object.keys(options).length === 0
  )
    faults.error(`${path}.tls`, 'mode Terminate needs certificateRefs or options, and has none');
}

function checkListeners(listeners: readonly ApiListener[] | undefined, faults: Faults): void {
  const keys = new Map<string, string>();
  for (const [index, given] of (listeners ?? []).entries()) {
    const path = `spec.listeners[${index}]`;
    checkListenerTls(given, path, faults);
    if ((given.hostname ?? '') !== '' && isOf(given, 'TCP', 'UDP'))
      faults.error(
        'spec.listeners',
        `listener ${given.name} speaks ${given.protocol} and has a hostname, want none`,
      );
    const key = `${given.port ?? ''}|${given.protocol}|${given.hostname ?? ''}`;
    const other = keys.get(key);
    if (other !== undefined)
      faults.error(
        'spec.listeners',
        `listeners ${other} and ${given.name} have the same port, protocol and hostname, want them unique`,
      );
    keys.set(key, given.name);
  }
  checkUniqueNames(listeners, 'spec.listeners', faults);
}

function checkAddresses({ addresses = [] }: ApiGatewaySpec, faults: Faults): void {
  const keys = addresses.map(({ type = 'IPAddress', value = '' }) => `${type} ${value}`);
  const twice = keys.find((key, index) => !key.endsWith(' ') && keys.indexOf(key) !== index);
  if (twice !== undefined)
    faults.error('spec.addresses', `${twice} stands twice, want addresses unique`);
  for (const [index, { type = 'IPAddress', value = '' }] of addresses.entries())
    if (type === 'IPAddress' && value !== '' && !isIpAddress(value))
      faults.error(`spec.addresses[${index}].value`, `${value} is no IP address`);
}

export const apiGateway: ResourceKind = defineKind<ApiGatewaySpec>({
  group: 'gateway.networking.k8s.io',
  kind: 'Gateway',
  versions: ['v1', 'v1beta1', 'v1alpha2'],
  plural: 'gateways',
  spec: gatewaySpec,
  validate(given) {
    const faults = new Faults();
    checkListeners(given.listeners, faults);
    checkAddresses(given, faults);
    const ports = (given.tls?.frontend?.perPort ?? []).map(({ port }) => String(port));
    const twice = ports.find((port, index) => ports.indexOf(port) !== index);
    if (twice !== undefined)
      faults.error('spec.tls.frontend.perPort', `port ${twice} stands twice, want it once`);
    return faults.list;
  },
});

export const listenerSet: ResourceKind = defineKind<ListenerSetSpec>({
  group: 'gateway.networking.k8s.io',
  kind: 'ListenerSet',
  versions: ['v1'],
  plural: 'listenersets',
  spec: z.strictObject({
    parentRef: z.strictObject({
      group: groupName.optional(),
      kind: kindName.optional(),
      namespace: namespaceName.optional(),
      name: objectName,
    }),
    listeners: listOf(setListener, 64, 1),
  }),
  validate(given) {
    const faults = new Faults();
    checkListeners(given.listeners, faults);
    return faults.list;
  },
});
