/** Every kind that this version admits; a new kind is one file and one entry here. */
import type { ResourceKind } from '../model/config.ts';
import { inertKinds, namespace, service } from './core/core.ts';
import { configMap, secret } from './core/data-kinds.ts';
import { endpointSlice } from './core/endpoint-slice.ts';
import { trafficExtension, wasmPlugin } from './extensions/extensions.ts';
import { destinationRule } from './networking/destination-rule.ts';
import { envoyFilter } from './networking/envoy-filter.ts';
import { gateway } from './networking/gateway.ts';
import { proxyConfig } from './networking/proxy-config.ts';
import { serviceEntry } from './networking/service-entry.ts';
import { sidecar } from './networking/sidecar.ts';
import { virtualService } from './networking/virtual-service.ts';
import { workloadEntry } from './networking/workload-entry.ts';
import { workloadGroup } from './networking/workload-group.ts';
import { authorizationPolicy } from './security/authorization-policy.ts';
import { peerAuthentication } from './security/peer-authentication.ts';
import { requestAuthentication } from './security/request-authentication.ts';
import { telemetry } from './telemetry/telemetry.ts';

export type { AnyPart } from './lateen/policy.ts';
export { policyKind, policyTargets } from './lateen/policy.ts';

export const istioKinds: readonly ResourceKind[] = [
  gateway,
  virtualService,
  destinationRule,
  serviceEntry,
  workloadEntry,
  requestAuthentication,
  authorizationPolicy,
  peerAuthentication,
  workloadGroup,
  proxyConfig,
  telemetry,
  sidecar,
  envoyFilter,
  wasmPlugin,
  trafficExtension,
];

export const coreKinds: readonly ResourceKind[] = [
  service,
  secret,
  configMap,
  namespace,
  endpointSlice,
  ...inertKinds,
];
