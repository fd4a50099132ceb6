/** TrafficPolicy of a DestinationRule: schema and checks. */
import { z } from 'zod';
import type { TrafficPolicy } from '../../model/api.ts';
import { checkDuration, checkPort } from '../checks.ts';
import type { Faults } from '../define.ts';
import { anyMap, duration, flag, integer, labels, text, texts } from '../fields.ts';
import { checkLoadBalancer } from './load-balancer-checks.ts';

const cookie = z.strictObject({
  name: text,
  path: text.optional(),
  ttl: duration.optional(),
  attributes: z.array(z.strictObject({ name: text.optional(), value: text.optional() })).optional(),
});
const consistentHash = z.strictObject({
  httpHeaderName: text.optional(),
  httpCookie: cookie.optional(),
  useSourceIp: flag.optional(),
  httpQueryParameterName: text.optional(),
  minimumRingSize: integer.optional(),
  ringHash: z.strictObject({ minimumRingSize: integer.optional() }).optional(),
  maglev: z.strictObject({ tableSize: integer.optional() }).optional(),
});
const locality = z.strictObject({
  enabled: flag.optional(),
  distribute: z
    .array(z.strictObject({ from: text.optional(), to: z.record(z.string(), integer).optional() }))
    .optional(),
  failover: z.array(z.strictObject({ from: text.optional(), to: text.optional() })).optional(),
  failoverPriority: texts.optional(),
});
const loadBalancer = z
  .strictObject({
    simple: z
      .enum(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'])
      .optional(),
    consistentHash: consistentHash.optional(),
    localityLbSetting: locality.optional(),
    zoneAwareLbSetting: z
      .looseObject({ enabled: flag.optional(), failoverPriority: texts.optional() })
      .optional(),
    warmupDurationSecs: duration.optional(),
    warmup: z
      .strictObject({
        duration: duration.optional(),
        minimumPercent: z.number().optional(),
        aggression: z.number().optional(),
      })
      .optional(),
  })
  .refine((value) => value.simple === undefined || value.consistentHash === undefined, {
    error: 'loadBalancer has simple and consistentHash, want one',
  });
const keepalive = z.strictObject({
  probes: integer.optional(),
  time: duration.optional(),
  interval: duration.optional(),
});
const connectionPool = z.strictObject({
  tcp: z
    .strictObject({
      maxConnections: integer.optional(),
      connectTimeout: duration.optional(),
      tcpKeepalive: keepalive.optional(),
      maxConnectionDuration: duration.optional(),
      idleTimeout: duration.optional(),
    })
    .optional(),
  http: z
    .strictObject({
      http1MaxPendingRequests: integer.optional(),
      http2MaxRequests: integer.optional(),
      maxRequestsPerConnection: integer.optional(),
      maxRetries: integer.optional(),
      idleTimeout: duration.optional(),
      h2UpgradePolicy: z.enum(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']).optional(),
      useClientProtocol: flag.optional(),
      maxConcurrentStreams: integer.optional(),
      http2KeepAlive: z
        .strictObject({ interval: duration.optional(), timeout: duration.optional() })
        .optional(),
    })
    .optional(),
});
const outlierDetection = z.strictObject({
  consecutiveErrors: integer.optional(),
  splitExternalLocalOriginErrors: flag.optional(),
  consecutiveLocalOriginFailures: integer.optional(),
  consecutiveGatewayErrors: integer.optional(),
  consecutive5xxErrors: integer.optional(),
  interval: duration.optional(),
  baseEjectionTime: duration.optional(),
  maxEjectionPercent: integer.optional(),
  minHealthPercent: integer.optional(),
  outlierDetectionHttpErrorCodes: anyMap.optional(),
});
const tls = z.strictObject({
  mode: z.enum(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).optional(),
  clientCertificate: text.optional(),
  privateKey: text.optional(),
  caCertificates: text.optional(),
  caCrl: text.optional(),
  credentialName: text.optional(),
  subjectAltNames: texts.optional(),
  sni: text.optional(),
  insecureSkipVerify: flag.optional(),
});
const blocks = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: tls.optional(),
};
export const trafficPolicy: z.ZodType = z.strictObject({
  ...blocks,
  portLevelSettings: z
    .array(
      z.strictObject({
        ...blocks,
        port: z.strictObject({ number: integer.optional() }).optional(),
      }),
    )
    .optional(),
  tunnel: z
    .strictObject({
      protocol: text.optional(),
      targetHost: text.optional(),
      targetPort: integer.optional(),
    })
    .optional(),
  proxyProtocol: z.strictObject({ version: z.enum(['V1', 'V2']).optional() }).optional(),
  retryBudget: z
    .strictObject({
      percent: z.union([z.number(), z.strictObject({ value: z.number() })]).optional(),
      minRetryConcurrency: integer.optional(),
      budgetInterval: duration.optional(),
    })
    .optional(),
});
export const subsetSchema: z.ZodType = z.strictObject({
  name: text,
  labels: labels.optional(),
  trafficPolicy: trafficPolicy.optional(),
});

type Fields = Readonly<Record<string, unknown>>;

const POOL_COUNTS: readonly (readonly [string, string])[] = [
  ['http1MaxPendingRequests', 'max pending requests'],
  ['http2MaxRequests', 'max requests'],
  ['maxRequestsPerConnection', 'max requests per connection'],
  ['maxRetries', 'max retries'],
  ['maxConcurrentStreams', 'max concurrent streams'],
];

function checkPool(
  pool: NonNullable<TrafficPolicy['connectionPool']>,
  path: string,
  faults: Faults,
): void {
  if (pool.tcp === undefined && pool.http === undefined)
    faults.error(path, 'connectionPool needs tcp or http');
  const tcp: Fields = pool.tcp ?? {};
  const http: Fields = pool.http ?? {};
  if (typeof tcp['maxConnections'] === 'number' && tcp['maxConnections'] < 0)
    faults.error(`${path}.tcp.maxConnections`, 'max connections is negative');
  for (const name of ['connectTimeout', 'maxConnectionDuration'])
    checkDuration(tcp[name] as string | undefined, `${path}.tcp.${name}`, faults);
  checkDuration(tcp['idleTimeout'] as string | undefined, `${path}.tcp.idleTimeout`, faults, true);
  for (const [name, words] of POOL_COUNTS)
    if (typeof http[name] === 'number' && http[name] < 0)
      faults.error(`${path}.http.${name}`, `${words} is negative`);
  checkDuration(http['idleTimeout'] as string | undefined, `${path}.http.idleTimeout`, faults);
  if (http['h2UpgradePolicy'] === 'UPGRADE' && http['useClientProtocol'] === true)
    faults.error(`${path}.http`, 'useClientProtocol can not stand beside h2UpgradePolicy UPGRADE');
  const ping = http['http2KeepAlive'] as
    | { readonly interval?: string; readonly timeout?: string }
    | undefined;
  if (ping !== undefined && (ping.interval === undefined) !== (ping.timeout === undefined))
    faults.error(`${path}.http.http2KeepAlive`, 'http2KeepAlive needs both interval and timeout');
}

function checkOutlier(outlier: Fields, path: string, faults: Faults): void {
  for (const name of ['maxEjectionPercent', 'minHealthPercent']) {
    const value = outlier[name];
    if (typeof value === 'number' && (value < 0 || value > 100))
      faults.error(`${path}.${name}`, `percentage ${value} is out of range, want 0 to 100`);
  }
  for (const name of ['interval', 'baseEjectionTime'])
    checkDuration(outlier[name] as string | undefined, `${path}.${name}`, faults);
  if (
    typeof outlier['consecutiveLocalOriginFailures'] === 'number' &&
    outlier['splitExternalLocalOriginErrors'] !== true
  )
    faults.error(path, 'consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors');
}

function checkClientTls(
  settings: NonNullable<TrafficPolicy['tls']>,
  path: string,
  faults: Faults,
): void {
  const { mode, credentialName } = settings;
  const isEmpty = (value: string | undefined): boolean => value === undefined || value === '';
  if (settings.insecureSkipVerify === true && !isEmpty(settings.caCertificates))
    faults.error(path, 'caCertificates can not stand beside insecureSkipVerify');
  const named = /^configmap:\/\/([^/]+)\/./.exec(credentialName ?? '')?.[1];
  if (named !== undefined && named !== faults.namespace)
    faults.error(`${path}.credentialName`, 'a ConfigMap of another namespace can not be named');
  if ((mode === 'SIMPLE' || mode === 'MUTUAL') && !isEmpty(credentialName)) {
    if (
      !isEmpty(settings.clientCertificate) ||
      !isEmpty(settings.privateKey) ||
      !isEmpty(settings.caCertificates)
    )
      faults.error(path, 'credentialName and certificate files exclude each other');
    return;
  }
  if (mode === 'MUTUAL') {
    if (isEmpty(settings.clientCertificate))
      faults.error(`${path}.clientCertificate`, 'MUTUAL needs a client certificate');
    if (isEmpty(settings.privateKey))
      faults.error(`${path}.privateKey`, 'MUTUAL needs a private key');
  }
  if (mode === 'ISTIO_MUTUAL')
    for (const name of [
      'clientCertificate',
      'privateKey',
      'caCertificates',
      'credentialName',
    ] as const)
      if (!isEmpty(settings[name]))
        faults.error(
          `${path}.${name}`,
          `ISTIO_MUTUAL brings its own certificates, ${name} must be absent`,
        );
}

/** Fail-over goes by ejected hosts, and nobody ejects any without outlier detection. */
function checkFailover(policy: TrafficPolicy, path: string, faults: Faults): void {
  const { failover } = policy.loadBalancer?.localityLbSetting ?? {};
  if (Array.isArray(failover) && failover.length > 0 && policy.outlierDetection === undefined)
    faults.warn(
      `${path}.loadBalancer.localityLbSetting.failover`,
      'failover without outlierDetection never happens',
    );
}

function checkBlocks(policy: TrafficPolicy, path: string, faults: Faults): void {
  checkFailover(policy, path, faults);
  if (policy.loadBalancer !== undefined)
    checkLoadBalancer(policy.loadBalancer, { path: `${path}.loadBalancer`, faults });
  if (policy.connectionPool !== undefined)
    checkPool(policy.connectionPool, `${path}.connectionPool`, faults);
  if (policy.outlierDetection !== undefined)
    checkOutlier(policy.outlierDetection, `${path}.outlierDetection`, faults);
  if (policy.tls !== undefined) checkClientTls(policy.tls, `${path}.tls`, faults);
}

function checkTunnel(tunnel: Fields, path: string, faults: Faults): void {
  const { protocol, targetHost, targetPort } = tunnel;
  if (protocol !== undefined && protocol !== '' && protocol !== 'CONNECT' && protocol !== 'POST')
    faults.error(
      `${path}.protocol`,
      `tunnel protocol ${JSON.stringify(protocol)} is none of CONNECT, POST`,
    );
  if (typeof targetHost !== 'string' || !/^[-a-zA-Z0-9.:[\]]+$/.test(targetHost))
    faults.error(`${path}.targetHost`, 'tunnel target host must be a host name or an IP address');
  if (typeof targetPort !== 'number' || targetPort < 1 || targetPort > 65_535)
    faults.error(
      `${path}.targetPort`,
      `tunnel target port ${JSON.stringify(targetPort ?? 0)} is out of range, want 1 to 65535`,
    );
}

export function checkTrafficPolicy(
  policy: TrafficPolicy | undefined,
  path: string,
  faults: Faults,
): void {
  if (policy === undefined) return;
  if (Object.keys(policy).length === 0)
    faults.error(path, 'trafficPolicy is empty, want at least one setting');
  checkBlocks(policy, path, faults);
  for (const [index, level] of (policy.portLevelSettings ?? []).entries()) {
    const at = `${path}.portLevelSettings[${index}]`;
    if (level.port?.number === undefined)
      faults.error(`${at}.port`, 'port level settings need a port number');
    else checkPort(level.port.number, `${at}.port`, faults);
    checkBlocks(level, at, faults);
  }
  if (policy.tunnel !== undefined) {
    checkTunnel(policy.tunnel, `${path}.tunnel`, faults);
    if (policy.proxyProtocol !== undefined)
      faults.error(path, 'tunnel and proxyProtocol exclude each other');
  }
}
