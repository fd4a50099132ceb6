/** Sets an authority up, and exchanges its intermediate under the same root. */
import type { StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import type { CheckedChain } from './chain.ts';
import { chainPems, checkChain, readPrivateKey, refuse } from './chain.ts';
import type { By, Core } from './core.ts';
import { commit } from './core.ts';
import { makeRequest } from './make.ts';
import type { AuthorityState, Generation, Pending } from './records.ts';
import { PENDING_KEY, STATE_KEY, generationKey, keyPurpose } from './records.ts';
import { makeTokenKey, putTokenKey } from './token-keys.ts';
import type { View } from './view.ts';
import { pemOf, x509 } from './x509.ts';

/** PEM. Without `key` the chain answers the request that was given out. */
export interface Material {
  readonly root: string;
  /** The issuing certificate first. */
  readonly chain: string;
  readonly key?: string | undefined;
}

/** The request for an intermediate: one key at a time waits for its certificate, the newest. */
export async function requestIntermediate(core: Core, actor: string): Promise<string> {
  const [view, { trustDomain }, wrapping] = await Promise.all([
    core.views.current(),
    core.domains(),
    core.wrapping(),
  ]);
  const generation = (view.state?.lastGeneration ?? 0) + 1;
  const made = await makeRequest(trustDomain, generation);
  const pending: Pending = {
    trustDomain,
    generation,
    key: await wrapping.wrap(made.key, keyPurpose({ trustDomain, generation })),
    request: made.request,
    createdMs: core.nowMs(),
  };
  made.key.fill(0);
  await commit(core, [{ op: 'put', key: PENDING_KEY, value: JSON.stringify(pending) }], {
    actor,
    message: 'certificate authority: request for an intermediate',
  });
  return made.request;
}

/** The waiting key, if the certificate is for it. @throws Problem 422 */
function pendingFor({ pending }: View, { chain: [issuing] }: CheckedChain): Pending {
  if (pending === undefined)
    throw refuse('key: none is given, and no request waits for its certificate');
  const asked = new x509.Pkcs10CertificateRequest(pending.request);
  const isSame =
    x509.PemConverter.encode(asked.publicKey.rawData, 'K') ===
    x509.PemConverter.encode(issuing.publicKey.rawData, 'K');
  if (!isSame)
    throw refuse('chain: the issuing certificate is not for the key of the newest request');
  return pending;
}

/** Checks what was given and makes a generation of it; nothing is stored yet. @throws Problem 422 */
export async function admitMaterial(
  core: Core,
  material: Material,
  by: { readonly view: View; readonly actor: string },
): Promise<Generation> {
  const nowMs = core.nowMs();
  const pkcs8 = material.key === undefined ? undefined : readPrivateKey(material.key);
  const checked = await checkChain(material, nowMs, pkcs8);
  const wrapping = await core.wrapping();
  const last = by.view.state?.lastGeneration ?? 0;
  const { trustDomain } = await core.domains();
  const pending = pkcs8 === undefined ? pendingFor(by.view, checked) : undefined;
  if (pending !== undefined && pending.generation !== last + 1)
    throw refuse('chain: its request is older than the newest signer: ask for another');
  const bound = pending ?? { trustDomain, generation: last + 1 };
  const key =
    pkcs8 === undefined
      ? pending?.key
      : await wrapping.wrap(pkcs8, keyPurpose(bound)).finally(() => pkcs8.fill(0));
  if (key === undefined) throw refuse('key: none is given');
  return {
    generation: bound.generation,
    trustDomain: bound.trustDomain,
    root: pemOf(checked.root),
    chain: chainPems(checked),
    kind: checked.kind,
    key,
    createdMs: nowMs,
    actor: by.actor,
    warnings: checked.warnings,
  };
}

export const putGeneration = (generation: Generation): StoreChange => ({
  op: 'put',
  key: generationKey(generation.generation),
  value: JSON.stringify(generation),
});

export const putState = (state: AuthorityState, { stateRevision }: View): StoreChange => ({
  op: 'put',
  key: STATE_KEY,
  value: JSON.stringify(state),
  ifRevision: stateRevision,
});

const isSameRoot = (a: string, b: string): boolean => {
  const bytes = (pem: string): string => new x509.X509Certificate(pem).toString('base64');
  return bytes(a) === bytes(b);
};

/**
 * Takes a first signer, or exchanges the one that is for another under the same root, at once: peers believe it already.
 * @throws Problem 409 when the root is another: that is a rotation; 422 when something is wrong with it
 */
export async function install(core: Core, material: Material, actor: string): Promise<Generation> {
  const view = await core.views.current();
  const generation = await admitMaterial(core, material, { view, actor });
  const { state } = view;
  const before = state === undefined ? undefined : view.generations.get(state.signer);
  if (before !== undefined && !isSameRoot(before.root, generation.root))
    throw new Problem(
      409,
      'conflict',
      'the mesh has an authority with another root: `lateen ca rotate start` exchanges roots without an outage',
    );
  const nowMs = core.nowMs();
  const next: AuthorityState = {
    ...(state ?? { stage: 'steady', secretSinceMs: nowMs }),
    signer: generation.generation,
    sinceMs: nowMs,
    actor,
    lastGeneration: generation.generation,
  };
  const isFirst = view.tokenKeys.length === 0;
  const by: By = {
    actor,
    message:
      before === undefined
        ? 'certificate authority set up'
        : 'certificate authority: new intermediate',
  };
  await commit(
    core,
    [
      putState(next, view),
      putGeneration(generation),
      ...(before === undefined ? [] : [putGeneration({ ...before, retiredMs: nowMs })]),
      ...(view.pending === undefined ? [] : [{ op: 'delete' as const, key: PENDING_KEY }]),
      ...(isFirst ? [putTokenKey(await makeTokenKey(await core.wrapping(), nowMs))] : []),
    ],
    by,
  );
  return generation;
}
