/** What people ask of a certificate: whom it names, and until when. */
import { bytesOfBase64, pemBlocks } from '../../lib/pem.ts';
import type { Certificate } from '../../lib/x509/certificate.ts';
import { readCertificate } from '../../lib/x509/certificate.ts';
import type { Element } from '../../lib/x509/der.ts';
import { DerFault, TAG, bitsOf, element, elements, hexOf, sequence } from '../../lib/x509/der.ts';

export interface DescribedCertificate {
  readonly names: readonly string[];
  readonly notAfter: string;
  /** Size of an RSA key; absent for other kinds. */
  readonly rsaBits?: number;
  /** Signed over a hash that collisions are known of. */
  readonly hasBrokenHash: boolean;
}

const COMMON_NAME = '550403';
const RSA_KEY = '2a864886f70d010101';
/** With MD2, MD5 and SHA-1: over RSA, DSA and ECDSA. */
const BROKEN_HASHES: ReadonlySet<string> = new Set([
  '2a864886f70d010102',
  '2a864886f70d010104',
  '2a864886f70d010105',
  '2a8648ce380403',
  '2a8648ce3d0401',
]);

function commonNames(subject: Element): string[] {
  return sequence(subject)
    .flatMap(({ content }) => elements(content))
    .flatMap((attribute) => {
      const [type, value] = sequence(attribute);
      return type !== undefined && value !== undefined && hexOf(type.content) === COMMON_NAME
        ? [new TextDecoder().decode(value.content)]
        : [];
    });
}

/** Bits of the modulus, where the key is RSA's. */
function rsaBitsOf(publicKey: Uint8Array): number | undefined {
  const [algorithm, key] = sequence(element(publicKey, TAG.sequence));
  const [id] = sequence(algorithm);
  if (id === undefined || hexOf(id.content) !== RSA_KEY) return undefined;
  const [modulus] = sequence(element(bitsOf(key), TAG.sequence));
  if (modulus === undefined) return undefined;
  const digits = hexOf(modulus.content).replace(/^(?:00)+/, '');
  const first = Number.parseInt(digits.slice(0, 2), 16);
  return (digits.length / 2) * 8 - (Math.clz32(first) - 24);
}

/** @throws DerFault */
function describe({ names, subject, publicKey, ...rest }: Certificate): DescribedCertificate {
  const { dns, uris, ips } = names;
  const [algorithm] = sequence(rest.signature.algorithm);
  const rsaBits = rsaBitsOf(publicKey);
  return {
    names: [...new Set([...commonNames(subject), ...dns, ...uris, ...ips])],
    notAfter: new Date(rest.notAfterMs).toISOString().replace('.000Z', 'Z'),
    hasBrokenHash: algorithm !== undefined && BROKEN_HASHES.has(hexOf(algorithm.content)),
    ...(rsaBits === undefined ? {} : { rsaBits }),
  };
}

/** The first certificate of a PEM text, the server's own; undefined where it can't be read. */
export function describeCertificate(pem: string | undefined): DescribedCertificate | undefined {
  const [block] = pemBlocks(pem, /^CERTIFICATE$/);
  const der = block === undefined ? undefined : bytesOfBase64(block);
  const read = der === undefined ? undefined : readCertificate(der);
  if (read === undefined) return undefined;
  try {
    return describe(read);
  } catch (error) {
    if (error instanceof DerFault) return undefined;
    throw error;
  }
}
