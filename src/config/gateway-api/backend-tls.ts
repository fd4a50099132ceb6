/** BackendTLSPolicy: how a gateway speaks TLS to a Service, and what is wrong with the policies. */
import type { BackendTlsPolicySpec, Resource } from '../../model/api.ts';
import { serviceHost } from './backends.ts';
import { resolveAuthority } from './certificates.ts';
import type { ApiSource } from './source.ts';
import type { Refusal } from './words.ts';
import { refuse } from './words.ts';

type Policy = Resource<BackendTlsPolicySpec>;

export interface BackendTls {
  /** Sent as SNI, and what the certificate must show unless other names are given. */
  readonly sni: string;
  readonly subjectAltNames: readonly string[];
  /** PEM; empty = the authorities of the platform. */
  readonly authorities: readonly string[];
}

export interface PolicyOutcome {
  readonly policy: Policy;
  /** Undefined = accepted. */
  readonly refusal: Refusal | undefined;
  readonly unresolved: Refusal | undefined;
  /** FQDNs of Services that it is for. */
  readonly hosts: readonly string[];
}

export interface BackendTlsTable {
  readonly outcomes: readonly PolicyOutcome[];
  /** By `host|port`; a refusal where the policy that counts can't be followed: nothing goes there in clear. */
  of(host: string, port: number): BackendTls | Refusal | undefined;
}

interface Checked {
  readonly policy: Policy;
  readonly tls: BackendTls | undefined;
  readonly refusal: Refusal | undefined;
  readonly unresolved: Refusal | undefined;
}

function check(policy: Policy, source: ApiSource): Checked {
  const { validation } = policy.spec;
  const from = { kind: 'BackendTLSPolicy', namespace: policy.metadata.namespace };
  const names = (validation.subjectAltNames ?? []).map(
    ({ hostname, uri }) => hostname ?? uri ?? '',
  );
  const tls = { sni: validation.hostname, subjectAltNames: names };
  if (validation.wellKnownCACertificates !== undefined) {
    const isSystem = validation.wellKnownCACertificates === 'System';
    return {
      policy,
      tls: isSystem ? { ...tls, authorities: [] } : undefined,
      unresolved: undefined,
      refusal: isSystem
        ? undefined
        : refuse(
            'Invalid',
            `wellKnownCACertificates ${validation.wellKnownCACertificates} is not known, want System`,
          ),
    };
  }
  const found = (validation.caCertificateRefs ?? []).map((ref) =>
    resolveAuthority(ref, from, source),
  );
  const authorities = found.flatMap(({ pem }) => (pem === undefined ? [] : [pem]));
  const fault = found.find(({ refusal }) => refusal !== undefined)?.refusal;
  // The policy has a word of its own for a kind that holds no certificates.
  const unresolved =
    fault?.reason === 'InvalidCACertificateKind' ? { ...fault, reason: 'InvalidKind' } : fault;
  const isUsable = authorities.length > 0;
  return {
    policy,
    tls: isUsable ? { ...tls, authorities } : undefined,
    unresolved,
    refusal: isUsable ? undefined : refuse('NoValidCACertificate', 'no CA certificate can be used'),
  };
}

/** Of several policies for one Service (or one port of it) the oldest counts; a port's before the Service's. */
export function resolveBackendTls(source: ApiSource): BackendTlsTable {
  const winners = new Map<string, Checked>();
  const outcomes = source.backendTlsPolicies.map((policy): PolicyOutcome => {
    const checked = check(policy, source);
    const { namespace } = policy.metadata;
    const refs = policy.spec.targetRefs.filter(
      ({ group, kind }) => (group === '' || group === 'core') && kind === 'Service',
    );
    const keys = refs.map(({ name, sectionName = '' }) => `${namespace}/${name}|${sectionName}`);
    const rival = keys.map((key) => winners.get(key)).find((one) => one !== undefined);
    for (const key of keys) if (!winners.has(key)) winners.set(key, checked);
    const services = refs.map(({ name }) => source.service(namespace, name));
    return {
      policy,
      unresolved: checked.unresolved,
      hosts: services.flatMap((one) =>
        one === undefined ? [] : [serviceHost(one, source.domain)],
      ),
      refusal:
        checked.refusal ??
        (rival === undefined
          ? undefined
          : refuse(
              'Conflicted',
              `BackendTLSPolicy ${namespace}/${rival.policy.metadata.name} is older and for the same target`,
            )),
    };
  });
  const portName = (host: string, port: number): string => {
    const [name = '', namespace = ''] = host.split('.');
    const ports = source.service(namespace, name)?.spec.ports ?? [];
    return ports.find((one) => one.port === port)?.name ?? '';
  };
  return {
    outcomes,
    of(host, port) {
      if (winners.size === 0) return undefined;
      const [name = '', namespace = ''] = host.split('.');
      const section = portName(host, port);
      const winner =
        (section === '' ? undefined : winners.get(`${namespace}/${name}|${section}`)) ??
        winners.get(`${namespace}/${name}|`);
      return winner === undefined ? undefined : (winner.tls ?? winner.refusal);
    },
  };
}
