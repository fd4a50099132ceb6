/** Statements of the authority: read only when the chain of who signed leads to a root that is believed. */
import { compactVerify, decodeProtectedHeader } from 'jose';
import type { X509Certificate } from 'node:crypto';
import { STATEMENT_TYPE } from '../../src/delivery/joining.ts';
import { isRecord } from '../../src/delivery/pointer.ts';
import { UntrustedError, checkSigner, readChain } from './path.ts';

const ALGORITHMS = ['ES256', 'ES384', 'RS256'];
const MAX_STATEMENT = 128 * 1024;

export type Claims = Readonly<Record<string, unknown>>;

function chainOf(statement: string): readonly X509Certificate[] {
  let x5c: unknown;
  let typ: unknown;
  try {
    ({ x5c, typ } = decodeProtectedHeader(statement));
  } catch {
    throw new UntrustedError('its statement is no JWS');
  }
  if (typ !== STATEMENT_TYPE || !Array.isArray(x5c))
    throw new UntrustedError('its statement is none, or shows no chain');
  return readChain(x5c.map((one) => Buffer.from(String(one), 'base64')));
}

/** @throws UntrustedError */
export async function readStatement(
  statement: string,
  purpose: string,
  roots: readonly X509Certificate[],
  nowMs: number,
): Promise<Claims> {
  if (statement.length > MAX_STATEMENT) throw new UntrustedError('its statement is too large');
  const signer = checkSigner(chainOf(statement), roots, nowMs);
  let claims: unknown;
  try {
    const { payload } = await compactVerify(statement, signer.publicKey, {
      algorithms: ALGORITHMS,
    });
    claims = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    throw new UntrustedError('its statement is not signed by the chain that it shows');
  }
  if (!isRecord(claims) || claims['purpose'] !== purpose)
    throw new UntrustedError(`its statement is not for ${purpose}`);
  return claims;
}
