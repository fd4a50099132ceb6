/** Every kind that this version admits; a new kind is one file and one entry here. */
import type { ResourceKind } from '../model/config.ts';
import { inertKinds, namespace, service } from './core/core.ts';
import { configMap, secret } from './core/data-kinds.ts';
import { destinationRule } from './networking/destination-rule.ts';
import { gateway } from './networking/gateway.ts';
import { serviceEntry } from './networking/service-entry.ts';
import { virtualService } from './networking/virtual-service.ts';
import { workloadEntry } from './networking/workload-entry.ts';
import { authorizationPolicy } from './security/authorization-policy.ts';
import { requestAuthentication } from './security/request-authentication.ts';

export const istioKinds: readonly ResourceKind[] = [
  gateway,
  virtualService,
  destinationRule,
  serviceEntry,
  workloadEntry,
  requestAuthentication,
  authorizationPolicy,
];

export const coreKinds: readonly ResourceKind[] = [
  service,
  secret,
  configMap,
  namespace,
  ...inertKinds,
];
