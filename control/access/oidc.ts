/** Logins of people: an ID token of one issuer, verified strictly, whose groups say the role. */
import { z } from '@hono/zod-openapi';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import { decodeBase64url } from '../../src/lib/base64url.ts';
import { PUBLIC_ALGORITHMS } from '../../src/lib/jwk.ts';
import { ISSUER_PREFIX } from '../../src/lib/key-set-name.ts';
import type { Keys } from '../keys.ts';
import { Problem } from '../problem.ts';
import { parseStrictJson } from '../strict-json.ts';
import type { Role } from './rights.ts';

export interface OidcConfig {
  /** As its tokens and its discovery document say it. */
  readonly issuer: string;
  readonly clientId: string;
  /** What `aud` must have one of. @default the client's id */
  readonly audiences?: readonly string[] | undefined;
  /** Asked for at login. @default openid, profile, email */
  readonly scopes?: readonly string[] | undefined;
  /** Claim that people are called by in the audit log. @default sub */
  readonly nameClaim?: string | undefined;
  /** Claim with their groups: a text or a list. @default groups */
  readonly groupsClaim?: string | undefined;
  /** The first whose group somebody is in counts; who is in none is refused. */
  readonly mappings: readonly {
    readonly group: string;
    readonly role: Exclude<Role, 'proxy'>;
    readonly namespaces?: readonly string[] | undefined;
  }[];
  /** How long a login holds. @default 28800 (8 hours) */
  readonly sessionSeconds?: number | undefined;
}

const MAX_SESSION_SECONDS = 24 * 3600;
const text: z.ZodString = z.string().min(1).max(512);

const schema: z.ZodType<OidcConfig> = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }),
  clientId: text,
  audiences: z.array(text).min(1).optional(),
  scopes: z.array(text).optional(),
  nameClaim: text.optional(),
  groupsClaim: text.optional(),
  mappings: z
    .array(
      z.strictObject({
        group: text,
        role: z.enum(['viewer', 'operator', 'editor', 'security-admin', 'admin']),
        namespaces: z.array(text).min(1).optional(),
      }),
    )
    .min(1),
  sessionSeconds: z.int().min(60).max(MAX_SESSION_SECONDS).optional(),
});

/** @throws Error that names the first field that isn't as wanted */
export function readOidcConfig(source: string): OidcConfig {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new Error('the OIDC settings are no JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`OIDC settings: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

export interface Login {
  readonly name: string;
  readonly role: Role;
  readonly namespaces?: readonly string[];
}

/** A token that holds. It is good for one login: by what it is known again, and how long. */
export interface ProvenLogin extends Login {
  readonly once: string;
  readonly onceUntilMs: number;
}

export interface Oidc {
  readonly config: OidcConfig;
  /** @throws Problem 401 when the token isn't good, 403 when its holder has no role here, 503 without the issuer's keys */
  verify(idToken: string): Promise<ProvenLogin>;
}

const MAX_TOKEN = 16_384;
const SKEW_SECONDS = 60;
/** An ID token is used at once: one that was found later is no login. */
const MAX_AGE_SECONDS = 600;
const MAX_NAME = 200;

const refuse = (why: string): Problem => new Problem(401, 'unauthorized', `ID token: ${why}`);

function partOf(encoded: string): unknown {
  const bytes = decodeBase64url(encoded);
  if (bytes === undefined) throw refuse('it is no JWT');
  try {
    return parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw refuse('its parts are no JSON with each member once');
  }
}

/** What the signature doesn't say: of what kind it is. */
function requireForm(token: string): void {
  const parts = token.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  const isWhole = parts.length === 3 && /^[\w-]+$/.test(signature);
  if (token.length > MAX_TOKEN || !isWhole) throw refuse('it is no JWT');
  const { typ } = partOf(header) as { readonly typ?: unknown };
  partOf(payload);
  if (typ !== undefined && (typeof typ !== 'string' || typ.toLowerCase() !== 'jwt'))
    throw refuse(`typ ${JSON.stringify(typ).slice(0, 40)}, want JWT`);
}

/** @throws Problem 401 */
function requireClaims(payload: JWTPayload, { clientId, audiences }: OidcConfig): void {
  const { aud, azp, events } = payload;
  if (events !== undefined) throw refuse('it is a token of an event');
  const isOfMany = Array.isArray(aud) && aud.length > 1;
  if (isOfMany && audiences === undefined && azp === undefined)
    throw refuse('it has several audiences and no azp');
  const clients: readonly unknown[] = [clientId, ...(audiences ?? [])];
  if (azp !== undefined && !clients.includes(azp)) throw refuse('its azp is another client');
}

function groupsOf(payload: JWTPayload, claim: string): readonly string[] {
  const value = payload[claim];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

class Logins implements Oidc {
  readonly config: OidcConfig;
  readonly #keys: Keys;
  readonly #nowMs: () => number;
  readonly #keySet: string;

  constructor(config: OidcConfig, keys: Keys, nowMs: () => number) {
    this.config = config;
    this.#keys = keys;
    this.#nowMs = nowMs;
    this.#keySet = ISSUER_PREFIX + config.issuer;
  }

  async verify(idToken: string): Promise<ProvenLogin> {
    requireForm(idToken);
    await this.#keys.ensure([this.#keySet]);
    const payload = await this.#payloadOf(idToken);
    requireClaims(payload, this.config);
    return {
      ...this.#person(payload),
      // Without the signature, of which there may be several for one token.
      once: `login/${idToken.slice(0, idToken.lastIndexOf('.'))}`,
      onceUntilMs: this.#nowMs() + (MAX_AGE_SECONDS + 2 * SKEW_SECONDS) * 1000,
    };
  }

  async #payloadOf(token: string): Promise<JWTPayload> {
    try {
      return await this.#check(token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw this.#refusal(error);
    }
    // Keys may have changed since they were fetched.
    await this.#keys.refresh(this.#keySet);
    try {
      return await this.#check(token);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  async #check(token: string): Promise<JWTPayload> {
    const set = this.#keys.of(this.#keySet);
    if (set === undefined)
      throw new Problem(503, 'unavailable', 'the keys of the issuer could not be fetched');
    const { issuer, clientId, audiences = [clientId] } = this.config;
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...set.keys] }), {
      issuer,
      audience: [...audiences],
      algorithms: [...PUBLIC_ALGORITHMS],
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(this.#nowMs()),
      maxTokenAge: MAX_AGE_SECONDS,
      requiredClaims: ['exp', 'iat', 'sub'],
    });
    return payload;
  }

  #refusal(error: unknown): Problem {
    if (error instanceof Problem) return error;
    // Which check failed helps its owner; the text is jose's and holds nothing of the token.
    return refuse(error instanceof errors.JOSEError ? error.message : 'it could not be verified');
  }

  #person(payload: JWTPayload): Login {
    const { nameClaim = 'sub', groupsClaim = 'groups', mappings } = this.config;
    const name = payload[nameClaim];
    if (typeof name !== 'string' || name === '' || name.length > MAX_NAME)
      throw refuse(`claim ${nameClaim} is no name`);
    if (/[\x00-\x1f\x7f]/.test(name)) throw refuse(`claim ${nameClaim} is no line of text`);
    if (nameClaim === 'email' && payload['email_verified'] !== true)
      throw refuse('its email is not verified');
    const groups = groupsOf(payload, groupsClaim);
    const found = mappings.find(({ group }) => groups.includes(group));
    if (found === undefined)
      throw new Problem(403, 'forbidden', `${name} is in no group that has a role here`);
    // Nobody is taken for a token or for the first administrator by what an issuer calls them.
    return {
      name: `oidc:${name}`,
      role: found.role,
      ...(found.namespaces === undefined ? {} : { namespaces: found.namespaces }),
    };
  }
}

export function createOidc(config: OidcConfig, keys: Keys, nowMs: () => number): Oidc {
  return new Logins(config, keys, nowMs);
}
