/** gateway.networking.k8s.io: standard and experimental channel. */
import type { ResourceKind } from '../../model/config.ts';
import { apiGateway, listenerSet } from './gateway.ts';
import { grpcRoute } from './grpc-route.ts';
import { httpRoute } from './http-route.ts';
import { tcpRoute, tlsRoute, udpRoute } from './l4-routes.ts';
import { backendTlsPolicy, gatewayClass, referenceGrant } from './policies.ts';

export const gatewayApiKinds: readonly ResourceKind[] = [
  gatewayClass,
  apiGateway,
  listenerSet,
  httpRoute,
  grpcRoute,
  tlsRoute,
  tcpRoute,
  udpRoute,
  referenceGrant,
  backendTlsPolicy,
];
