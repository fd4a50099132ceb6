/** What a session is, as it lies in its cookie. */
import type { Fields } from '../../lib/fields.ts';
import { isFields } from '../../lib/fields.ts';

export interface Session {
  /** Drawn at login. */
  readonly id: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly startMs: number;
  /** When it was used last, to the minute. */
  readonly seenMs: number;
  /** Of the provider's tokens. */
  readonly tokenEndMs: number;
  readonly refreshToken?: string;
  /** Only where it is forwarded. */
  readonly accessToken?: string;
  /** Only where logout tells the provider whose session ends. */
  readonly idToken?: string;
}

/** Of a login that was begun. */
export interface Login {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Path and query of the page that was asked for. */
  readonly returnTo: string;
  readonly redirectUri: string;
  readonly endMs: number;
}

const areTexts = (value: Fields, names: readonly string[]): boolean =>
  names.every((name) => typeof value[name] === 'string');

const areNumbers = (value: Fields, names: readonly string[]): boolean =>
  names.every((name) => Number.isFinite(value[name]));

/** Sealed by a proxy, perhaps of another version. */
export function isSession(value: unknown): value is Session {
  return (
    isFields(value) &&
    areTexts(value, ['id']) &&
    areNumbers(value, ['startMs', 'seenMs', 'tokenEndMs']) &&
    isFields(value['claims']) &&
    typeof value['claims']['sub'] === 'string' &&
    ['refreshToken', 'accessToken', 'idToken'].every(
      (name) => value[name] === undefined || typeof value[name] === 'string',
    )
  );
}

export function isLogin(value: unknown): value is Login {
  return (
    isFields(value) &&
    areTexts(value, ['state', 'nonce', 'verifier', 'returnTo', 'redirectUri']) &&
    areNumbers(value, ['endMs'])
  );
}
