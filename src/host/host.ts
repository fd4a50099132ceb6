import type { Cluster, Endpoint } from '../model/snapshot.ts';
import type { CheckFor } from './signatures.ts';

/** What a runtime supplies; the core has no other way to the outside. */
export interface Host {
  readonly clock: Clock;
  readonly random: Random;
  /** Writes one access-log or diagnostic line (without line feed). */
  readonly log: (line: string) => void;
  /** Whether requests are logged; asked for each. @default true */
  readonly accessLog?: { readonly isOn: boolean };
  /** Lets work outlive the response (waitUntil). */
  readonly background: (work: Promise<unknown>) => void;
  /** Sends a request of the proxy's own. Rejects when no answer comes in time. */
  readonly dial: (call: Call) => Promise<CallAnswer>;
  /** Checks signatures without a promise. @default WebCrypto does it, beside */
  readonly checkFor?: CheckFor;
}

/** A request that a policy makes, as to an external authorizer. */
export interface Call {
  /** How connections to the endpoint are made, and to whom. */
  readonly cluster: Cluster;
  /** Undefined: to the cluster's service itself; never to the authority, which a client may have chosen. */
  readonly endpoint: Endpoint | undefined;
  readonly scheme: 'http' | 'https';
  readonly method: string;
  readonly authority: string;
  /** Path and query. */
  readonly target: string;
  /** Lower-case names. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
  /** Over HTTP/2, whatever the cluster's protocol is; rejects where a runtime can't. @default false */
  readonly overHttp2?: boolean;
  readonly timeoutMs: number;
  /** What comes behind is left unread. */
  readonly maxBodyBytes: number;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  /** Absent where there were none, or where the runtime shows none. */
  readonly trailers?: readonly (readonly [name: string, value: string])[];
}

export interface Clock {
  /** Wall clock in milliseconds since 1970. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** `length` random bytes in lower-case hex; cryptographic. */
  hex(length: number): string;
}
