/** IST0174, IST0128, IST0129: rules for nobody, and servers that nobody checks. */
import type { ClientTls, DestinationRuleSpec, Resource } from '../../model/api.ts';
import { covers, resolveHost } from '../compile/names.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { findService } from './mesh.ts';

/** TLS whose server could be anybody. A credential's CA is read by gateways, and by sidecars only under a selector. */
function isUnverified(tls: ClientTls | undefined, spec: DestinationRuleSpec): boolean {
  if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') return false;
  if ((tls.caCertificates ?? '') !== '') return false;
  return (tls.credentialName ?? '') === '' || spec.workloadSelector === undefined;
}

function unverified(code: string, path: string, host: string): Finding {
  return {
    code,
    level: 'error',
    path,
    message: `TLS towards ${host} without caCertificates: the server's certificate is held against no CA of yours`,
    remedy: 'name caCertificates (or `system`), or mode ISTIO_MUTUAL inside the mesh',
  };
}

function analyseTls(spec: DestinationRuleSpec): Finding[] {
  const policies = [
    { policy: spec.trafficPolicy, path: 'spec.trafficPolicy' },
    ...(spec.subsets ?? []).map(({ trafficPolicy }, index) => ({
      policy: trafficPolicy,
      path: `spec.subsets[${index}].trafficPolicy`,
    })),
  ];
  return policies.flatMap(({ policy, path }) => [
    ...(isUnverified(policy?.tls, spec) ? [unverified('IST0128', `${path}.tls`, spec.host)] : []),
    ...(policy?.portLevelSettings ?? []).flatMap(({ tls }, index) =>
      isUnverified(tls, spec)
        ? [unverified('IST0129', `${path}.portLevelSettings[${index}].tls`, spec.host)]
        : [],
    ),
  ]);
}

function isKnown(host: string, namespace: string, mesh: MeshView): boolean {
  if (findService(host, namespace, mesh) !== undefined) return true;
  return (
    host.startsWith('*') &&
    [...mesh.registry.visibleTo(namespace).keys()].some((service) => covers(host, service))
  );
}

export const analyseDestinationRule: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<DestinationRuleSpec>;
  const host = resolveHost(spec.host, metadata.namespace, mesh.domain);
  const unknown: Finding[] = isKnown(host, metadata.namespace, mesh)
    ? []
    : [
        {
          code: 'IST0174',
          level: 'warning',
          path: 'spec.host',
          message: `no service ${host} is known: the rule acts on nothing`,
          remedy: 'apply a ServiceEntry or Service for it, or correct the name',
        },
      ];
  return [...unknown, ...analyseTls(spec)];
};
