/** Where one operation goes: by a route, by what it goes on with, or where its connection leads anyway. */
import type { MongoOperationKind, MongoRefusal, MongoRules } from '../../src/model/mongo.ts';
import type { MongoTarget } from '../../src/model/mongo.ts';
import type { MongoRequest } from '../../src/mongo/index.ts';
import { kindOf } from '../../src/mongo/index.ts';
import type { MongoPins } from './pins.ts';

export interface DestinationContext {
  readonly rules: MongoRules;
  readonly pins: MongoPins;
  readonly listener: string;
  /** Where the connection leads anyway. */
  readonly own: string;
  clusterOf(target: MongoTarget): string | undefined;
}

/** The name of a cluster, or what answers the operation. */
export type Destination = string | MongoRefusal;

/** Where a route leads, if one takes it. */
interface Routed {
  readonly cluster: string;
  readonly isRouted: boolean;
}

export const isRefusal = <Other>(given: Other | MongoRefusal): given is MongoRefusal =>
  typeof given === 'object' && given !== null && 'codeName' in given;

export const unreachable = (where: string, reason: string): MongoRefusal => ({
  code: 6,
  codeName: 'HostUnreachable',
  message: `no server of ${where}: ${reason}`,
});

const targetText = ({ service, port, subset }: MongoTarget): string =>
  [service, port, subset].filter((part) => part !== undefined).join(' ');

function resolve(
  target: MongoTarget | undefined,
  context: DestinationContext,
): Routed | MongoRefusal {
  if (target === undefined) return { cluster: context.own, isRouted: false };
  const cluster = context.clusterOf(target);
  return cluster === undefined
    ? unreachable(targetText(target), 'cluster_not_found')
    : { cluster, isRouted: true };
}

/** A connection whole, by the database of its credentials. */
export function destinationOfConnection(
  database: string,
  context: DestinationContext,
): Destination {
  const found = resolve(context.rules.target(database), context);
  return isRefusal(found) ? found : found.cluster;
}

/** How a request looks to a route. */
interface Sight {
  /** '' = no route may name it. */
  readonly command: string;
  readonly kind: MongoOperationKind;
}

const FIND: Sight = { command: 'find', kind: 'read' };
/** A transaction is where it can write, whatever it begins with. */
const IN_TRANSACTION: Sight = { command: '', kind: 'write' };

const cutAtDot = (name: string): readonly [database: string, collection: string] => {
  const dot = name.indexOf('.');
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
};

const spansClusters = ({ command }: MongoRequest): MongoRefusal => ({
  code: 20,
  codeName: 'IllegalOperation',
  message: `${command} names collections of several clusters`,
});

/** All that it names must be in one cluster. */
function routeAll(
  request: MongoRequest,
  sight: Sight,
  context: DestinationContext,
): Routed | MongoRefusal {
  const { rules } = context;
  let all: Routed | undefined;
  for (const name of request.namespaces) {
    const [database, collection] = cutAtDot(name);
    const operation = { command: sight.command, database, collection };
    const found = resolve(rules.route(operation, sight.kind), context);
    if (isRefusal(found)) return found;
    if (all !== undefined && all.cluster !== found.cluster) return spansClusters(request);
    all = found;
  }
  return all ?? { cluster: context.own, isRouted: false };
}

function route(
  request: MongoRequest,
  sight: Sight,
  context: DestinationContext,
): Routed | MongoRefusal {
  if (request.namespaces.length > 0) return routeAll(request, sight, context);
  const { database, collection } = request;
  const operation = { command: sight.command, database, collection };
  return resolve(context.rules.route(operation, sight.kind), context);
}

const ENDS: ReadonlySet<string> = new Set(['commitTransaction', 'abortTransaction']);
const FOLLOWS_CURSOR: ReadonlySet<string> = new Set(['getMore', 'killCursors']);

const elsewhere = (cluster: string): MongoRefusal => ({
  code: 263,
  codeName: 'OperationNotSupportedInTransaction',
  message: `the transaction began in ${cluster}, and this is in another cluster`,
});

function destinationInTransaction(request: MongoRequest, context: DestinationContext): Destination {
  const { pins, own } = context;
  const { command, session, transaction: number } = request;
  const pinned = request.startsTransaction ? undefined : pins.transaction(session, number);
  if (ENDS.has(command)) return pinned?.cluster ?? own;
  if (pinned !== undefined && FOLLOWS_CURSOR.has(command)) return pinned.cluster;
  const found = route(request, IN_TRANSACTION, context);
  if (isRefusal(found)) return found;
  if (pinned === undefined) {
    if (request.startsTransaction) pins.beginTransaction(session, { number, ...found });
    return found.cluster;
  }
  const isThere = found.isRouted
    ? found.cluster === pinned.cluster
    : !pinned.isRouted || found.cluster === pinned.cluster;
  return isThere ? pinned.cluster : elsewhere(pinned.cluster);
}

function destinationOfCursor(request: MongoRequest, context: DestinationContext): Destination {
  const { database, cursor } = request;
  const known = context.pins.cursor({ listener: context.listener, database, cursor });
  if (known !== undefined) return known;
  const found = route(request, FIND, context);
  return isRefusal(found) ? found : found.cluster;
}

/** Of a request that was read to its end. A transaction that begins with it is noted. */
export function destinationOf(request: MongoRequest, context: DestinationContext): Destination {
  if (request.inTransaction && request.session !== '')
    return destinationInTransaction(request, context);
  const { command } = request;
  if (FOLLOWS_CURSOR.has(command)) return destinationOfCursor(request, context);
  const found = route(request, { command, kind: kindOf(request) }, context);
  return isRefusal(found) ? found : found.cluster;
}
