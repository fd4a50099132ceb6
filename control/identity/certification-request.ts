/** PKCS#10: who asks for a certificate proves to have its key. Nothing but the key is taken. */
import 'reflect-metadata';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { Refusal } from './refusal.ts';

const MAX_BASE64 = 8192;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

const malformed = (reason: string): Refusal =>
  new Refusal('malformed', { reason, told: `csr: ${reason}` });

function parse(text: string): Pkcs10CertificateRequest {
  if (text.length > MAX_BASE64 || !BASE64.test(text))
    throw malformed('want PKCS#10 (DER) in base64');
  try {
    return new Pkcs10CertificateRequest(text);
  } catch {
    throw malformed('it is no PKCS#10');
  }
}

function isWanted(algorithm: Algorithm & { readonly namedCurve?: unknown }): boolean {
  return algorithm.name === 'ECDSA' && algorithm.namedCurve === 'P-256';
}

/** SubjectPublicKeyInfo (DER). @throws Refusal */
export async function requestedKey(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const request = parse(text);
  if (!isWanted(request.publicKey.algorithm))
    throw new Refusal('weak-key', {
      reason: `a key of ${request.publicKey.algorithm.name}`,
      told: 'csr: want a key on P-256',
    });
  const isProven = await request.verify().catch(() => false);
  if (!isProven) throw malformed('its signature is not of its key');
  return new Uint8Array(request.publicKey.rawData);
}
