/** What mongo's compile half hands to its filter. */
import type { MongoRefusal, MongoTarget } from '../../model/mongo.ts';

export interface MongoFaultRule {
  /** Lower case; absent = all but handshakes and authentication. */
  readonly operations?: readonly string[];
  /** `database.collection`, `database.*`; absent = all, and those that name none. */
  readonly collections?: readonly string[];
  readonly delay?: { readonly percent: number; readonly ms: number };
  readonly refuse?: { readonly percent: number; readonly refusal: MongoRefusal };
}

/** Takes what meets all that it has. */
export interface MongoRouteRule {
  readonly databases?: readonly string[];
  /** As those of a fault. */
  readonly collections?: readonly string[];
  /** Lower case; `read` and `write` are kinds, others are commands. */
  readonly operations?: readonly string[];
  readonly target: MongoTarget;
}

export interface MongoConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly collections?: readonly string[];
  /** In order; the first that takes an operation counts. */
  readonly faults: readonly MongoFaultRule[];
  /** In order; the first that takes a connection or an operation counts. */
  readonly routes: readonly MongoRouteRule[];
  /** @default false */
  readonly directConnection?: boolean;
}
