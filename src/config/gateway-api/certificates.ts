/** Whether what a listener or Gateway names as its certificate can be used as one. */
import { pemBlocks } from '../../lib/pem.ts';
import type { SecretRef } from '../../model/api.ts';
import type { ApiSource } from './source.ts';
import type { Refusal } from './words.ts';
import { refuse } from './words.ts';

const hasBlock = (text: string | undefined, type: RegExp): boolean =>
  pemBlocks(text, type).length > 0;

export interface Referrer {
  /** `Gateway` or `ListenerSet`: grants are asked for its kind. */
  readonly kind: string;
  readonly namespace: string;
}

export interface ResolvedSecret {
  /** `namespace/name`. */
  readonly secret?: string;
  readonly refusal?: Refusal;
}

/** A TLS certificate with its key; `wrong` is the reason for all faults but a missing grant. */
export function resolveCertificate(
  ref: SecretRef,
  from: Referrer,
  source: ApiSource,
  wrong: 'InvalidCertificateRef' | 'InvalidClientCertificateRef',
): ResolvedSecret {
  const { group = '', kind = 'Secret', namespace = from.namespace, name } = ref;
  const where = `${kind} ${namespace}/${name}`;
  if (group !== '' || kind !== 'Secret')
    return {
      refusal: refuse(wrong, `${group}/${kind} is no kind of certificate, want a core Secret`),
    };
  const target = { group, kind, namespace, name };
  if (!source.isGranted(from, target))
    return {
      refusal: refuse(
        'RefNotPermitted',
        `no ReferenceGrant in ${namespace} lets a ${from.kind} of ${from.namespace} use ${where}`,
      ),
    };
  const secret = source.find(target);
  if (secret === undefined) return { refusal: refuse(wrong, `${where} does not exist`) };
  const isWhole =
    hasBlock(secret.data?.['tls.crt'], /^CERTIFICATE$/) &&
    hasBlock(secret.data?.['tls.key'], /PRIVATE KEY$/);
  return isWhole
    ? { secret: `${namespace}/${name}` }
    : {
        refusal: refuse(
          wrong,
          `${where} holds no PEM certificate (tls.crt) with its key (tls.key)`,
        ),
      };
}

export interface ResolvedAuthority {
  /** PEM. */
  readonly pem?: string;
  readonly refusal?: Refusal;
}

/** The certificates of an authority, `ca.crt` of a ConfigMap (or, as Istio allows, of a Secret). */
export function resolveAuthority(
  ref: SecretRef,
  from: Referrer,
  source: ApiSource,
): ResolvedAuthority {
  const { group = '', kind = 'ConfigMap', namespace = from.namespace, name } = ref;
  const where = `${kind} ${namespace}/${name}`;
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret'))
    return {
      refusal: refuse(
        'InvalidCACertificateKind',
        `${group}/${kind} is no kind of CA certificate, want ConfigMap`,
      ),
    };
  const target = { group, kind, namespace, name };
  if (!source.isGranted(from, target))
    return {
      refusal: refuse(
        'RefNotPermitted',
        `no ReferenceGrant in ${namespace} lets a ${from.kind} of ${from.namespace} use ${where}`,
      ),
    };
  const pem = source.find(target)?.data?.['ca.crt'];
  return pem !== undefined && hasBlock(pem, /^CERTIFICATE$/)
    ? { pem }
    : {
        refusal: refuse(
          'InvalidCACertificateRef',
          `${where} ${source.find(target) === undefined ? 'does not exist' : 'holds no PEM certificate under ca.crt'}`,
        ),
      };
}
