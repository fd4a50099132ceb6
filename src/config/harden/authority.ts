/** The certificate authority, and who may join by what. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Weakness } from './codes.ts';
import { diagnosticOf } from './codes.ts';

export interface JoinTokenFacts {
  readonly id: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly usedMs?: number;
  /** @default it may be used from anywhere */
  readonly cidr?: string;
}

export interface OidcJoinFacts {
  readonly name: string;
  /** By claim: the value, or its beginning and `*`. */
  readonly claims: Readonly<Record<string, string>>;
}

/** What is known of an authority without any of its keys. */
export interface AuthorityFacts {
  readonly isSetUp: boolean;
  /** Since when its keys rest under the same secret. @default it isn't known */
  readonly secretSinceMs?: number;
  /** As `lateen ca status` shows them. */
  readonly conditions: readonly {
    readonly type: string;
    readonly status: 'True' | 'False';
    readonly reason: string;
    readonly message: string;
  }[];
  /** How many are denied, of how many at most. */
  readonly denied: readonly { readonly of: string; readonly count: number; readonly max: number }[];
  readonly joinTokens: readonly JoinTokenFacts[];
  readonly oidcJoins: readonly OidcJoinFacts[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const SECRET_MS = 365 * DAY_MS;
/** As long as one is made for without being asked. */
const JOIN_TOKEN_MS = 10 * MINUTE_MS;
/** Of what the list may hold. */
const FULL_SHARE = 0.8;
/** What a beginning of a claim should end in, so that no longer name of somebody else begins so. */
const SEPARATOR = /[/:@.,;|#=]$/;

function ofConditions({ conditions }: AuthorityFacts): Weakness[] {
  return conditions.flatMap(({ type, status, reason, message }): Weakness[] => {
    if (status === 'True') return [];
    if (type === 'SignerValid' || type === 'RootValid') {
      const what = type === 'RootValid' ? 'the root' : 'the certificate that signs';
      return [
        {
          code: 'LAT0751',
          ...(reason === 'Expired' ? { level: 'error' as const } : {}),
          message: `${what}: ${message}`,
        },
      ];
    }
    if (type === 'KeysWrapped') return [{ code: 'LAT0755', message }];
    return type === 'Ready' && reason === 'NoSigner'
      ? [{ code: 'LAT0756', message: `nothing is signed: ${message}` }]
      : [];
  });
}

function ofSecret({ secretSinceMs }: AuthorityFacts, nowMs: number): Weakness[] {
  const ageMs = nowMs - (secretSinceMs ?? nowMs);
  return ageMs > SECRET_MS
    ? [
        {
          code: 'LAT0755',
          level: 'info',
          message: `its keys have rested under the same secret for ${Math.floor(ageMs / DAY_MS)} days`,
        },
      ]
    : [];
}

function ofDenied({ denied }: AuthorityFacts): Weakness[] {
  return denied
    .filter(({ count, max }) => count >= max * FULL_SHARE)
    .map(({ of, count, max }) => ({
      code: 'LAT0752',
      ...(count >= max ? { level: 'error' as const } : {}),
      message: `${count} of ${max} ${of} are denied`,
    }));
}

function ofJoinToken(token: JoinTokenFacts, nowMs: number): Weakness[] {
  const { createdMs, expiresMs, usedMs, cidr } = token;
  const isOver = usedMs !== undefined || expiresMs <= nowMs;
  if (isOver || cidr !== undefined || expiresMs - createdMs <= JOIN_TOKEN_MS) return [];
  const minutes = Math.ceil((expiresMs - createdMs) / MINUTE_MS);
  return [{ code: 'LAT0753', message: `it holds for ${minutes} minutes, from any address` }];
}

function ofOidcJoin({ claims }: OidcJoinFacts): Weakness[] {
  const wild = Object.entries(claims).filter(([, wanted]) => wanted.endsWith('*'));
  if (wild.length === Object.keys(claims).length)
    return [{ code: 'LAT0754', message: 'no claim has to be a value as a whole' }];
  return wild
    .filter(([, wanted]) => !SEPARATOR.test(wanted.slice(0, -1)))
    .map(([claim, wanted]) => ({
      code: 'LAT0754',
      message: `claim ${claim} as ${JSON.stringify(wanted)} ends within a name`,
    }));
}

/** @param facts undefined: this home brings no authority */
export function hardenAuthority(facts: AuthorityFacts | undefined, nowMs: number): Diagnostic[] {
  if (facts === undefined || !facts.isSetUp)
    return [diagnosticOf({ code: 'LAT0750', message: 'the mesh has no certificate authority' })];
  const resource = 'Authority';
  return [
    ...[...ofConditions(facts), ...ofSecret(facts, nowMs), ...ofDenied(facts)].map((weakness) =>
      diagnosticOf(weakness, { resource }),
    ),
    ...facts.joinTokens.flatMap((token) =>
      ofJoinToken(token, nowMs).map((weakness) =>
        diagnosticOf(weakness, { resource: `JoinToken ${token.id}` }),
      ),
    ),
    ...facts.oidcJoins.flatMap((join) =>
      ofOidcJoin(join).map((weakness) =>
        diagnosticOf(weakness, { resource: `OidcJoin ${join.name}` }),
      ),
    ),
  ];
}
