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

/** Neither is `other`, as commands that administer are. */
export type MongoOperationKind = 'read' | 'write' | 'other';

/** Where a connection or an operation goes instead; absent fields are those of the cluster that the connection's route chose. */
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
  /** The first message must be read before a server is chosen, and operations before they are sent on. */
  readonly hasRoutes: boolean;
  /** Clients are known to say directConnection, which can't be told from what they send. */
  readonly directConnection: boolean;
  /** Collections that are counted by name; undefined = those that come first. */
  readonly collections: readonly string[] | undefined;
  fault(operation: MongoOperation): MongoFault | undefined;
  /** Of a whole connection, by the database that its client authenticates against. Undefined = where it leads anyway. */
  target(database: string): MongoTarget | undefined;
  /** Of one operation. @param command '' = none that a route may name */
  route(operation: MongoOperation, kind: MongoOperationKind): MongoTarget | undefined;
}
