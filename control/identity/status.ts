/** How the authority is, for people: what signs, until when, and what to do about it. */
import { Problem } from '../problem.ts';
import type { Core } from './core.ts';
import { shownCounters } from './counters.ts';
import type { ShownCounters } from './counters.ts';
import type { FederationStatus } from './federation.ts';
import type { Generation } from './records.ts';
import { secretsInUse } from './rewrap.ts';
import { trustOf } from './trust.ts';
import type { View } from './view.ts';
import { hexOf, x509 } from './x509.ts';

export interface CertificateStatus {
  readonly subject: string;
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 of its DER, hex: what join tokens pin a control plane by. */
  readonly sha256: string;
}

export interface IdentityCondition {
  /** Ready, SignerValid, RootValid, KeysWrapped, Federated/{domain}. */
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

export interface SignerStatus {
  readonly generation: number;
  readonly key: string;
  readonly chain: readonly CertificateStatus[];
  readonly root: CertificateStatus;
  readonly createdMs: number;
  readonly warnings: readonly string[];
}

export interface IdentityStatus {
  readonly trustDomain: string;
  readonly aliases: readonly string[];
  /** Absent = there is no authority. */
  readonly signer?: SignerStatus;
  readonly roots: readonly CertificateStatus[];
  readonly tokenKeys: readonly { readonly kid: string; readonly activeMs: number }[];
  readonly denied: { readonly serials: number; readonly identities: number };
  readonly conditions: readonly IdentityCondition[];
  readonly counters: ShownCounters;
}

/** Of a life that is left when it is time to do something. */
const WARN_SHARE = 5;

async function certificateStatus(pem: string): Promise<CertificateStatus> {
  const certificate = new x509.X509Certificate(pem);
  const digest = await crypto.subtle.digest('SHA-256', certificate.rawData);
  return {
    subject: certificate.subject,
    serial: certificate.serialNumber.replace(/^0+(?=.)/, ''),
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    sha256: hexOf(new Uint8Array(digest)),
  };
}

export async function signerStatus(generation: Generation): Promise<SignerStatus> {
  return {
    generation: generation.generation,
    key: generation.kind,
    chain: await Promise.all(generation.chain.map((pem) => certificateStatus(pem))),
    root: await certificateStatus(generation.root),
    createdMs: generation.createdMs,
    warnings: generation.warnings,
  };
}

/** Is a fifth of its life left, or less? */
function validity(
  type: string,
  certificate: CertificateStatus,
  { nowMs, remedy }: { readonly nowMs: number; readonly remedy: string },
): IdentityCondition {
  const { notBeforeMs, notAfterMs } = certificate;
  const end = new Date(notAfterMs).toISOString();
  if (nowMs >= notAfterMs)
    return { type, status: 'False', reason: 'Expired', message: `it ended at ${end}: ${remedy}` };
  const isLate = (notAfterMs - nowMs) * WARN_SHARE <= notAfterMs - notBeforeMs;
  return isLate
    ? { type, status: 'False', reason: 'Expiring', message: `it ends at ${end}: ${remedy}` }
    : { type, status: 'True', reason: 'Valid', message: `until ${end}` };
}

async function ready(core: Core, view: View): Promise<IdentityCondition> {
  const type = 'Ready';
  try {
    const { notAfterMs } = await core.signers.current(view);
    return notAfterMs > core.nowMs()
      ? { type, status: 'True', reason: 'Signs', message: '' }
      : { type, status: 'False', reason: 'Expired', message: 'its certificate has ended' };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { type, status: 'False', reason: 'NoSigner', message: error.message };
  }
}

async function wrapped(core: Core, view: View): Promise<IdentityCondition[]> {
  const wrapping = await core.wrapping().catch(() => undefined);
  if (wrapping === undefined || view.state === undefined) return [];
  const others = secretsInUse(view).filter((id) => id !== wrapping.kekId);
  const type = 'KeysWrapped';
  return [
    others.length === 0
      ? { type, status: 'True', reason: 'Newest', message: `with secret ${wrapping.kekId}` }
      : {
          type,
          status: 'False',
          reason: 'Older',
          message: `some keys are wrapped with secret ${others.join(', ')}: \`lateen ca rewrap\`, then the old secret can go`,
        },
  ];
}

function federated(federations: readonly FederationStatus[]): IdentityCondition[] {
  return federations.map(({ trustDomain, fault }) =>
    fault === undefined
      ? { type: `Federated/${trustDomain}`, status: 'True', reason: 'Fresh', message: '' }
      : {
          type: `Federated/${trustDomain}`,
          status: 'False',
          reason: 'Stale',
          message: `its bundle is as it was: ${fault}`,
        },
  );
}

/** What is wrong or will be, without anything that isn't for everybody. */
export async function identityConditions(
  core: Core,
  signer: SignerStatus | undefined,
  federations: readonly FederationStatus[],
): Promise<IdentityCondition[]> {
  const view = await core.views.current();
  const nowMs = core.nowMs();
  const [issuing] = signer?.chain ?? [];
  return [
    await ready(core, view),
    ...(issuing === undefined
      ? []
      : [validity('SignerValid', issuing, { nowMs, remedy: '`lateen ca renew`' })]),
    ...(signer === undefined
      ? []
      : [validity('RootValid', signer.root, { nowMs, remedy: '`lateen ca rotate start`' })]),
    ...(await wrapped(core, view)),
    ...federated(federations),
  ];
}

export async function identityStatus(
  core: Core,
  federations: readonly FederationStatus[],
): Promise<IdentityStatus> {
  const [view, domains] = await Promise.all([core.views.current(), core.domains()]);
  const { state } = view;
  const generation = state === undefined ? undefined : view.generations.get(state.signer);
  const signer = generation === undefined ? undefined : await signerStatus(generation);
  const roots = trustOf(view, domains)?.roots[domains.trustDomain] ?? [];
  const nowMs = core.nowMs();
  const ends =
    signer === undefined
      ? undefined
      : {
          rootMs: signer.root.notAfterMs,
          chainMs: Math.min(...signer.chain.map(({ notAfterMs }) => notAfterMs)),
        };
  return {
    ...domains,
    ...(signer === undefined ? {} : { signer }),
    roots: await Promise.all(roots.map((pem) => certificateStatus(pem))),
    tokenKeys: view.tokenKeys.map(({ kid, activeMs }) => ({ kid, activeMs })),
    denied: { serials: view.serials.size, identities: view.identities.size },
    conditions: await identityConditions(core, signer, federations),
    counters: shownCounters(core.counters, ends, nowMs),
  };
}
