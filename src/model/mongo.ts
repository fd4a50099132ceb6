/** What a policy may say of MongoDB operations, and what it is told of them. */

/** One request of a client, as far as it was understood. */
export interface MongoOperation {
  /** As drivers write it: `find`, `insert`, `getMore`. */
  readonly command: string;
  /** '' = not known. */
  readonly database: string;
  /** '' = it names none. */
  readonly collection: string;
}

/** An error that answers an operation instead of the server. */
export interface MongoRefusal {
  readonly code: number;
  readonly codeName: string;
  readonly message: string;
}

/** What befalls one operation. */
export interface MongoFault {
  /** @default 0 */
  readonly delayMs: number;
  readonly refusal?: MongoRefusal;
}

/** Where a whole connection goes instead; absent fields are those of the cluster that its route chose. */
export interface MongoTarget {
  readonly service?: string;
  readonly port?: number;
  readonly subset?: string;
}

/** Linked once; asked for every operation. */
export interface MongoRules {
  /** `namespace/name`. */
  readonly policy: string;
  /** Operations must be read before they are sent on. */
  readonly hasFaults: boolean;
  /** The first message must be read before a server is chosen. */
  readonly hasRoutes: boolean;
  /** Collections that are counted by name; undefined = those that come first. */
  readonly collections: readonly string[] | undefined;
  fault(operation: MongoOperation): MongoFault | undefined;
  /** By the database that a client authenticates against. */
  target(database: string): MongoTarget | undefined;
}
