/** What an attack with tokens is, and when it has come through. */

export interface Sent {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly target: string;
}

/** What went on to the service, or the status that was answered. */
export type Verdict =
  | { readonly status: number }
  | { readonly headers: Readonly<Record<string, string>>; readonly target: string };

export interface TokenCase {
  readonly name: string;
  readonly sent: Sent;
  /** The status that refuses it; `forward`: it goes on, unharmed. */
  readonly want: 401 | 403 | 503 | 'forward';
  /** Has it come through? @default an identity went on */
  readonly harm?: (verdict: Verdict) => boolean;
  /** It needs no socket to be seen, or no socket takes it. @default false */
  readonly engineOnly?: boolean;
}

/** outputClaimToHeaders of the issuer. */
export const OUTPUTS: readonly (readonly [header: string, claim: string])[] = [
  ['x-sub', 'sub'],
  ['x-role-name', 'role'],
  ['x-deep', 'deep.role'],
  ['x-constructor', 'constructor'],
  ['x-to-string', 'toString'],
  ['x-proto', '__proto__'],
];

export const headerOf = (verdict: Verdict, name: string): string | undefined =>
  'headers' in verdict && Object.hasOwn(verdict.headers, name) ? verdict.headers[name] : undefined;

export const hasIdentity = (verdict: Verdict): boolean => headerOf(verdict, 'x-sub') !== undefined;

export const bearing = (token: string, target = '/'): Sent => ({
  headers: [['authorization', `Bearer ${token}`]],
  target,
});

/** A token that must be refused with 401. */
export const refused = (name: string, token: string): TokenCase => ({
  name,
  sent: bearing(token),
  want: 401,
});
