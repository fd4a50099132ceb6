/** Text that stands for an API key in configuration: `sha256:<64 hex digits>[ expires=<time>]`. */
import { sha256Hex } from './hash.ts';

export interface ApiKeyEntry {
  /** Of the key's UTF-8, lower-case hex. */
  readonly sha256: string;
  /** @default it never does */
  readonly expiresMs?: number;
}

const ENTRY = /^sha256:([0-9a-f]{64})(?:[ \t]+expires=(\S+))?$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

export const API_KEY_ENTRY =
  'sha256:<64 lower-case hex digits>, with expires=2027-01-31T00:00:00Z behind it if it is to end';

/** Shorter ones could be guessed from their hash, and are never taken. */
export const MIN_API_KEY_LENGTH = 20;
export const MAX_API_KEY_LENGTH = 512;

/** Undefined = it is none. */
export function parseApiKeyEntry(text: string): ApiKeyEntry | undefined {
  const [, sha256, expires] = ENTRY.exec(text.trim()) ?? [];
  if (sha256 === undefined) return undefined;
  if (expires === undefined) return { sha256 };
  const expiresMs = TIME.test(expires) ? Date.parse(expires) : Number.NaN;
  return Number.isNaN(expiresMs) ? undefined : { sha256, expiresMs };
}

export function apiKeyEntry(key: string, expires?: string): string {
  return `sha256:${sha256Hex(key)}${expires === undefined ? '' : ` expires=${expires}`}`;
}
