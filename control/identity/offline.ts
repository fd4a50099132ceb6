/** What somebody does with a root on a machine of their own; the control plane never sees its key. */
import { checkChain, kindOf, readCertificates, readPrivateKey } from './chain.ts';
import { makeRoot, signIntermediate } from './make.ts';
import type { MadeRoot } from './make.ts';
import { importAlgorithm } from './x509.ts';

export { makeRoot };
export type { MadeRoot };

/**
 * The intermediate that a control plane asked for, under a root. @throws Problem 422 when root and key don't belong
 * together, or the root may not sign an intermediate
 */
export async function signRequest(
  request: string,
  { certificate, key }: MadeRoot,
  nowMs: number,
): Promise<string> {
  const [root] = readCertificates(certificate, 'root');
  if (root === undefined) throw new Error('no root');
  const kind = kindOf(root);
  const signingKey = await crypto.subtle.importKey(
    'pkcs8',
    readPrivateKey(key),
    importAlgorithm(kind),
    false,
    ['sign'],
  );
  const chain = await signIntermediate(
    request,
    { certificate: root, key: signingKey, kind },
    nowMs,
  );
  // A key of another root made a signature that nobody can verify.
  await checkChain({ root: certificate, chain }, nowMs);
  return chain;
}
