/** The keys of generations, unwrapped when first wanted and kept in memory for as long as they are in the store. */
import { Problem } from '../problem.ts';
import type { KeyWrapping } from './key-wrapping.ts';
import type { Signer } from './leaf.ts';
import type { Generation } from './records.ts';
import { keyPurpose } from './records.ts';
import type { View } from './view.ts';
import { base64Of, x509 } from './x509.ts';

export interface Signers {
  /** Who signs now. @throws Problem 503 */
  current(view: View): Promise<Signer>;
  of(generation: Generation): Promise<Signer>;
}

/** Generations whose keys are held at a time: that which signs, its neighbours, and some that sign lists only. */
const MAX_HELD = 16;

const noAuthority = (): Problem =>
  new Problem(
    503,
    'no signer',
    'this mesh has no certificate authority: `lateen ca init` makes one, `lateen ca plug-in` brings yours',
  );

/** @throws Problem 503 */
export function signingGeneration({ state, generations }: View): Generation {
  const found = state === undefined ? undefined : generations.get(state.signer);
  if (found === undefined) throw noAuthority();
  return found;
}

async function open(generation: Generation, wrapping: KeyWrapping): Promise<Signer> {
  const { root, chain, kind } = generation;
  const certificates = chain.map((pem) => new x509.X509Certificate(pem));
  const [certificate] = certificates;
  if (certificate === undefined) throw noAuthority();
  const all = [...certificates, new x509.X509Certificate(root)];
  return {
    generation: generation.generation,
    kind,
    key: await wrapping.unwrap(generation.key, kind, keyPurpose(generation)),
    certificate,
    chain: chain.join(''),
    x5c: certificates.map((one) => base64Of(one.rawData)),
    notAfterMs: Math.min(...all.map(({ notAfter }) => notAfter.getTime())),
    notBeforeMs: certificate.notBefore.getTime(),
  };
}

export function createSigners(wrapping: () => Promise<KeyWrapping>): Signers {
  const held = new Map<string, Promise<Signer>>();
  const of = async (generation: Generation): Promise<Signer> => {
    const name = `${generation.generation} ${generation.key.data}`;
    let opening = held.get(name);
    if (opening === undefined) {
      if (held.size >= MAX_HELD) held.clear();
      opening = wrapping().then((keys) => open(generation, keys));
      held.set(name, opening);
      // Whoever asks next tries again: the secret may have come.
      opening.catch(() => held.delete(name));
    }
    return opening;
  };
  return { of, current: async (view) => of(signingGeneration(view)) };
}
