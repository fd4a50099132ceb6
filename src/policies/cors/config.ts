import type { RegexProgram } from '../../lib/regex/program.ts';

export type OriginMatch =
  | { readonly kind: 'exact' | 'prefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly program: RegexProgram };

/** corsPolicy of a route, header values as they are sent. */
export interface CorsConfig {
  readonly origins: readonly OriginMatch[];
  readonly methods?: string;
  readonly headers?: string;
  readonly expose?: string;
  readonly maxAgeSeconds?: number;
  readonly credentials?: boolean;
  /** A preflight from another origin is answered here without permission; else it goes to the backend. */
  readonly answersUnmatched: boolean;
}
