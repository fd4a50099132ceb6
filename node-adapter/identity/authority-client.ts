/**
 * Asks the control plane for certificates. It is believed by its root alone, whatever stands between: a join token or a
 * token of the platform goes out encrypted to a key that the root vouches for, or not at all.
 */
import { CompactEncrypt, CompactSign, importJWK } from 'jose';
import type { JWK } from 'jose';
import { randomBytes } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import {
  CERTIFIED_PURPOSE,
  CLOCK_SKEW_MS,
  JOIN_ENCRYPTION,
  JOIN_KEY_ALGORITHM,
  JOIN_KEY_PATH,
  JOIN_KEY_PURPOSE,
  JOIN_PATH,
  RENEWAL_TYPE,
  RENEW_PATH,
} from '../../src/delivery/joining.ts';
import type { JoinRequest, RenewalClaims } from '../../src/delivery/joining.ts';
import { isRecord } from '../../src/delivery/pointer.ts';
import { spiffeUri, trustDomainOf } from '../../src/lib/spiffe-id.ts';
import { createAskedKey } from './certification-request.ts';
import type { AskedKey } from './certification-request.ts';
import type { WorkloadCertificate } from './certificate.ts';
import { UntrustedError, checkLeaf, fingerprint, readPem } from './path.ts';
import { readStatement } from './statement.ts';
import type { Claims } from './statement.ts';

/** The control plane says no, and trying the same again changes nothing. */
export class JoinRefusedError extends Error {
  override readonly name: string = 'JoinRefusedError';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

export interface Joining {
  /** Text of a join token, or a JWT of the platform. */
  readonly credential: { readonly token: string } | { readonly oidc: string };
  /** SHA-256 (hex) of the root that is believed. */
  readonly root: string;
  readonly trustDomain: string;
  /** The only identity that is taken. @default any of the trust domain */
  readonly identity?: string;
}

export interface AuthorityClientOptions {
  /** Of the control plane, http or https. */
  readonly url: string;
  readonly nowMs: () => number;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER = 256 * 1024;
const UNKNOWN_KEY = 409;
const NONCE_BYTES = 24;
/** Those who may succeed when they ask again. */
const TEMPORARY = new Set([408, 425, 429]);

async function readLimited(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > MAX_ANSWER)
      throw new Error(`the control plane answers more than ${MAX_ANSWER} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parse(text: string): Claims {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw new Error('the control plane answers something that is no JSON');
}

/** A reason is somebody else's text until a root vouches for it: one line, and not a long one. */
function detailOf(text: string): string {
  try {
    const { detail } = parse(text);
    if (typeof detail === 'string') return detail.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 500);
  } catch {
    // It has none.
  }
  return 'no reason is given';
}

export class AuthorityClient {
  readonly #options: AuthorityClientOptions;

  constructor(options: AuthorityClientOptions) {
    this.#options = options;
  }

  /** @throws JoinRefusedError, UntrustedError; any other Error may be gone when it is tried again */
  async join(joining: Joining): Promise<WorkloadCertificate> {
    try {
      return await this.#join(joining);
    } catch (error) {
      // It was restarted between the two requests.
      if (!(error instanceof JoinRefusedError) || error.status !== UNKNOWN_KEY) throw error;
      return this.#join(joining);
    }
  }

  /** By the certificate in use. @param roots PEM of those that are believed @throws as `join` does */
  async renew(
    current: WorkloadCertificate,
    roots: readonly string[],
  ): Promise<WorkloadCertificate> {
    const asked = createAskedKey();
    const nonce = newNonce();
    const trustDomain = trustDomainOf(current.identity);
    const claims: RenewalClaims = {
      aud: spiffeUri(trustDomain),
      iat: Math.floor(this.#options.nowMs() / 1000),
      jti: nonce,
      csr: asked.csr,
    };
    const proof = await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({
        alg: 'ES256',
        typ: RENEWAL_TYPE,
        x5c: readPem(current.chain).map(({ raw }) => raw.toString('base64')),
      })
      .sign(current.privateKey);
    const { statement } = await this.#ask(RENEW_PATH, { proof });
    return this.#take(statement, {
      asked,
      nonce,
      trustDomain,
      identity: current.identity,
      roots: roots.flatMap((pem) => readPem(pem)),
    });
  }

  async #join({ credential, root, trustDomain, identity }: Joining): Promise<WorkloadCertificate> {
    const { key, rootCertificate } = await this.#joinKey(root, trustDomain);
    const asked = createAskedKey();
    const nonce = newNonce();
    const request: JoinRequest = { nonce, csr: asked.csr, ...credential };
    const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(request)))
      .setProtectedHeader({
        alg: JOIN_KEY_ALGORITHM,
        enc: JOIN_ENCRYPTION,
        ...(key.kid === undefined ? {} : { kid: key.kid }),
      })
      .encrypt(await importJWK(key, JOIN_KEY_ALGORITHM));
    const { statement } = await this.#ask(JOIN_PATH, { jwe });
    return this.#take(statement, {
      asked,
      nonce,
      trustDomain,
      identity,
      roots: [rootCertificate],
    });
  }

  /** Of the root that is pinned, or of nobody. */
  async #joinKey(
    pin: string,
    trustDomain: string,
  ): Promise<{ readonly key: JWK; readonly rootCertificate: X509Certificate }> {
    const { nowMs } = this.#options;
    const { statement, roots } = await this.#ask(JOIN_KEY_PATH);
    const shown = Array.isArray(roots) ? roots.flatMap((pem) => readPem(String(pem))) : [];
    const rootCertificate = shown.find((one) => fingerprint(one) === pin);
    if (rootCertificate === undefined)
      throw new UntrustedError(
        `it does not show the root with SHA-256 ${pin}: another mesh, somebody between, or a root that was replaced since the token was made`,
      );
    const claims = await readStatement(
      String(statement),
      JOIN_KEY_PURPOSE,
      [rootCertificate],
      nowMs(),
    );
    const { key, exp, iat } = claims;
    if (claims['trustDomain'] !== trustDomain)
      throw new UntrustedError(`it is of another trust domain than ${trustDomain}`);
    const seconds = nowMs() / 1000;
    const skew = CLOCK_SKEW_MS / 1000;
    if (!(typeof exp === 'number' && seconds < exp + skew) || !(Number(iat) < seconds + skew))
      throw new UntrustedError('its join key is not of now: is the clock here right?');
    const { kty, crv, x, y, kid } = isRecord(key) ? key : {};
    if (kty !== 'EC' || crv !== 'P-256' || typeof x !== 'string' || typeof y !== 'string')
      throw new UntrustedError('its join key is none on P-256');
    const jwk = { kty, crv, x, y, ...(typeof kid === 'string' ? { kid } : {}) };
    return { key: jwk, rootCertificate };
  }

  async #take(
    statement: unknown,
    wanted: {
      readonly asked: AskedKey;
      readonly nonce: string;
      readonly trustDomain: string;
      readonly identity: string | undefined;
      readonly roots: readonly X509Certificate[];
    },
  ): Promise<WorkloadCertificate> {
    const nowMs = this.#options.nowMs();
    const { asked, nonce, trustDomain } = wanted;
    const claims = await readStatement(String(statement), CERTIFIED_PURPOSE, wanted.roots, nowMs);
    if (claims['nonce'] !== nonce || claims['trustDomain'] !== trustDomain)
      throw new UntrustedError('it answers something that was not asked');
    const { identity = String(claims['identity']) } = wanted;
    const chain = String(claims['chain']);
    const { roots } = claims;
    if (trustDomainOf(identity) !== trustDomain || !Array.isArray(roots))
      throw new UntrustedError(`it gives an identity that is not of ${trustDomain}`);
    const believed = roots.map((pem) => String(pem));
    const leaf = checkLeaf(
      readPem(chain),
      believed.flatMap((pem) => readPem(pem)),
      { identity, publicKey: asked.publicKey },
      nowMs,
    );
    return {
      identity,
      privateKey: asked.privateKey,
      chain,
      roots: believed,
      receivedMs: nowMs,
      notAfterMs: leaf.validToDate.getTime(),
    };
  }

  async #ask(path: string, body?: object): Promise<Claims> {
    const response = await fetch(new URL(path, this.#options.url), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
      ...(body === undefined
        ? {}
        : {
            method: 'POST',
            body: JSON.stringify(body),
            headers: { 'content-type': 'application/json' },
          }),
    });
    const text = await readLimited(response);
    if (response.ok) return parse(text);
    const { status } = response;
    const message = `the control plane answers ${status}: ${detailOf(text)}`;
    if (status >= 400 && status < 500 && !TEMPORARY.has(status))
      throw new JoinRefusedError(message, status);
    throw new Error(message);
  }
}

const newNonce = (): string => randomBytes(NONCE_BYTES).toString('base64url');
