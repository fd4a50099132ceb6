/** A decision in the words of conformance cases, explain and the what-if view. */
export interface Decision {
  readonly outcome: 'forward' | 'respond' | 'close';
  readonly status?: number;
  /** Absent on passthrough. */
  readonly service?: string;
  readonly subset?: string;
  readonly port?: number;
  /** Shares in percent by subset (or service), where a draw decides. */
  readonly split?: Readonly<Record<string, number>>;
  /** Path and query that the backend sees. */
  readonly path?: string;
  readonly authority?: string;
  readonly requestHeaders?: Readonly<Record<string, string>>;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly mirrors?: readonly {
    readonly service: string;
    readonly subset?: string;
    readonly percent: number;
  }[];
  readonly timeout?: string;
  readonly retries?: {
    readonly attempts: number;
    readonly perTryTimeout?: string;
    readonly retryOn?: readonly string[];
  };
  readonly fault?: { readonly delay?: string; readonly percent?: number; readonly abort?: number };
  readonly route?: string;
  readonly policy?: string;
  readonly flags: string;
  readonly details: string;
}

/** A request in the same words. */
export interface SimulatedRequest {
  readonly method?: string;
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
  /** Listener port. @default 80, under https 443 */
  readonly port?: number;
  readonly path?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly peer?: {
    readonly ip?: string;
    readonly principal?: string;
    /** ISO 3166-1, where the platform would tell it. */
    readonly country?: string;
    /** As at a runtime that sees no mutual TLS: what proves the caller in its place. @default TLS is seen */
    readonly proof?: 'credential' | 'platform' | 'none';
  };
  readonly tls?: { readonly sni?: string; readonly mutual?: boolean };
}
