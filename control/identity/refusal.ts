/** Why somebody gets no certificate. The log says it; whoever asked is told only what they have shown a right to know. */
import { Problem } from '../problem.ts';

export type RefusalCode =
  | 'malformed'
  | 'unknown-key'
  | 'unreadable'
  | 'weak-key'
  | 'unknown-token'
  | 'expired-token'
  | 'used-token'
  | 'source'
  | 'unknown-issuer'
  | 'oidc'
  | 'no-rule'
  | 'replayed'
  | 'untrusted'
  | 'expired'
  | 'denied'
  | 'same-key'
  | 'skew'
  | 'rate'
  | 'not-issued';

const STATUS: Readonly<Partial<Record<RefusalCode, number>>> = {
  malformed: 400,
  unreadable: 400,
  'weak-key': 422,
  // The asker fetches the key anew and tries once more.
  'unknown-key': 409,
  rate: 429,
  'not-issued': 503,
};

const OPAQUE = 'no certificate is given for this; the log of the control plane says why';

export interface RefusalParts {
  /** For the log. */
  readonly reason: string;
  /** For who asked, and has shown a right to know. @default nothing that says more than no */
  readonly told?: string;
  readonly status?: number;
}

export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly #told: string;
  readonly #status: number;

  constructor(code: RefusalCode, { reason, told = OPAQUE, status }: RefusalParts) {
    super(reason);
    this.name = 'Refusal';
    this.code = code;
    this.#told = told;
    this.#status = status ?? STATUS[code] ?? 403;
  }

  problem(): Problem {
    return new Problem(this.#status, 'no certificate', this.#told);
  }
}
