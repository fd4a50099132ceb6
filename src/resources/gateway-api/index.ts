import type { ResourceKind } from '../../model/config.ts';
import { defineLooseKind } from '../define.ts';

const kind = (name: string, plural: string): ResourceKind =>
  defineLooseKind({
    group: 'gateway.networking.k8s.io',
    kind: name,
    versions: ['v1', 'v1beta1', 'v1alpha3', 'v1alpha2'],
    plural,
  });

export const gatewayApiKinds: readonly ResourceKind[] = [
  kind('GatewayClass', 'gatewayclasses'),
  kind('Gateway', 'gateways'),
  kind('ListenerSet', 'listenersets'),
  kind('HTTPRoute', 'httproutes'),
  kind('GRPCRoute', 'grpcroutes'),
  kind('TLSRoute', 'tlsroutes'),
  kind('TCPRoute', 'tcproutes'),
  kind('ReferenceGrant', 'referencegrants'),
  kind('BackendTLSPolicy', 'backendtlspolicies'),
];
