/** Proofs of possession: one for each call, bound to where it goes and what it asks for. */
import { encodeBase64url } from '../lib/base64url.ts';
import { digestOf } from './digest.ts';
import type { Jws } from './jws.ts';
import { isShortText, readJws, secondsOf, verifies } from './jws.ts';
import type { CredentialFault } from './names.ts';
import { ALGORITHM, PROOF_LIFETIME_S, PROOF_TYPE, SIGNATURE_PARAMETERS } from './names.ts';

/** What a proof says. `htm`, `htq` and `htd` are this project's: the draft leaves method, query and body to others. */
export interface ProofClaims {
  /** Target without query: scheme, service of the mesh, its port, path as it is sent. */
  readonly aud: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  /** Of the identity token. */
  readonly wth: string;
  readonly htm: string;
  /** SHA-256 of the query with its question mark, of nothing where there is none. */
  readonly htq: string;
  /** SHA-256 of the body. */
  readonly htd?: string;
}

/** What a call asks for. */
export interface ProofTarget {
  readonly scheme: 'http' | 'https';
  /** Lower case, without port. */
  readonly host: string;
  readonly port: number;
  /** As it stands on the wire. */
  readonly path: string;
  /** With its question mark, or ''. */
  readonly query: string;
  readonly method: string;
}

/** The call that arrived. */
export interface ProvenCall extends Omit<ProofTarget, 'host' | 'port'> {
  /** Is it a name and port of the receiver, and what the call was for? */
  readonly isHere: (host: string, port: number) => boolean;
}

export interface VerifiedProof {
  readonly jti: string;
  /** When nobody takes it any more. */
  readonly untilMs: number;
  /** Hash that the body must have; undefined = the proof doesn't say. */
  readonly bodyDigest: string | undefined;
}

const DEFAULT_PORTS = { http: 80, https: 443 } as const;
const AUDIENCE =
  /^(https?):\/\/([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?(\/[!-"$->@-~]*)$/;
const HASH = /^[A-Za-z0-9_-]{43}$/;
const MAX_JTI_LENGTH = 64;
const MAX_METHOD_LENGTH = 32;

/** A front that has ended TLS shows http for what was sent to https; never the other way round. */
function isForScheme(meant: string | undefined, { scheme }: ProvenCall): boolean {
  return meant === scheme || meant === 'https';
}

function isForCall(aud: string, call: ProvenCall): boolean {
  const [, scheme, host, port, path] = AUDIENCE.exec(aud) ?? [];
  if (host === undefined || !isForScheme(scheme, call) || path !== call.path) return false;
  return call.isHere(host, port === undefined ? DEFAULT_PORTS[scheme as 'https'] : Number(port));
}

function timesOf({ claims }: Jws, nowMs: number, skewMs: number): number | CredentialFault {
  const iat = secondsOf(claims['iat']);
  const exp = secondsOf(claims['exp']);
  if (iat === undefined || exp === undefined) return 'claims';
  if (claims['nbf'] !== undefined) {
    const nbf = secondsOf(claims['nbf']);
    if (nbf === undefined) return 'claims';
    if (nbf * 1000 > nowMs + skewMs) return 'not_yet_valid';
  }
  if (exp <= iat || exp - iat > PROOF_LIFETIME_S) return 'lifetime';
  if (iat * 1000 > nowMs + skewMs) return 'not_yet_valid';
  const untilMs = exp * 1000 + skewMs;
  return untilMs <= nowMs ? 'expired' : untilMs;
}

const isHash = (value: unknown): value is string => typeof value === 'string' && HASH.test(value);

export interface ProofInput {
  readonly token: string;
  /** SHA-256 of the identity token that it must belong to, and its key. */
  readonly tokenHash: string;
  readonly key: CryptoKey;
  readonly call: ProvenCall;
  readonly nowMs: number;
  readonly skewMs: number;
}

/** All but the body's hash and whether it was seen before. */
export async function verifyProof(input: ProofInput): Promise<VerifiedProof | CredentialFault> {
  const { call, nowMs, skewMs } = input;
  const jws = readJws(input.token, PROOF_TYPE);
  if (typeof jws === 'string') return jws;
  const { aud, jti, wth, htm, htq, htd, ath } = jws.claims;
  const untilMs = timesOf(jws, nowMs, skewMs);
  if (typeof untilMs === 'string') return untilMs;
  if (!isShortText(jti, MAX_JTI_LENGTH) || !isHash(wth) || !isHash(htq)) return 'claims';
  // What is bound besides and not understood here was bound for a reason.
  if (ath !== undefined || (htd !== undefined && !isHash(htd))) return 'claims';
  if (typeof aud !== 'string' || !isForCall(aud, call)) return 'target';
  if (!isShortText(htm, MAX_METHOD_LENGTH) || htm !== call.method) return 'method';
  if (htq !== (await digestOf(call.query))) return 'query';
  if (wth !== input.tokenHash) return 'token_hash';
  if (!(await verifies(jws, input.key))) return 'signature';
  return { jti, untilMs, bodyDigest: htd };
}

const encoder = new TextEncoder();

/** Always with the port: two ways to write one target would be one too many. */
export const audienceOf = ({ scheme, host, port, path }: ProofTarget): string =>
  `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;

export interface ProofWanted {
  readonly target: ProofTarget;
  /** SHA-256 of the identity token. */
  readonly tokenHash: string;
  /** Private. */
  readonly key: CryptoKey;
  readonly jti: string;
  readonly nowMs: number;
  /** A body to bind. */
  readonly body?: Uint8Array<ArrayBuffer>;
}

export async function createProof(wanted: ProofWanted): Promise<string> {
  const { target, nowMs, body } = wanted;
  const iat = Math.floor(nowMs / 1000);
  const claims: ProofClaims = {
    aud: audienceOf(target),
    iat,
    exp: iat + PROOF_LIFETIME_S,
    jti: wanted.jti,
    wth: wanted.tokenHash,
    htm: target.method,
    htq: await digestOf(target.query),
    ...(body === undefined ? {} : { htd: await digestOf(body) }),
  };
  const signed = [{ alg: ALGORITHM, typ: PROOF_TYPE }, claims]
    .map((part) => encodeBase64url(encoder.encode(JSON.stringify(part))))
    .join('.');
  const { key } = wanted;
  const signature = await crypto.subtle.sign(SIGNATURE_PARAMETERS, key, encoder.encode(signed));
  return `${signed}.${encodeBase64url(new Uint8Array(signature))}`;
}
