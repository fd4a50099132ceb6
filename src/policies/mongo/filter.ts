/** Rules for MongoDB's operations. Nothing of it concerns HTTP: who carries connections asks for `mongo`. */
import type { Random } from '../../host/host.ts';
import type {
  MongoFault,
  MongoOperation,
  MongoOperationKind,
  MongoRules,
} from '../../model/mongo.ts';
import type { PolicyFilter } from '../../model/policy.ts';
import type { MongoConfig, MongoFaultRule, MongoRouteRule } from './config.ts';

/** Without these no client gets as far as an operation. */
const HANDSHAKES: ReadonlySet<string> = new Set([
  'hello',
  'ismaster',
  'saslstart',
  'saslcontinue',
  'authenticate',
  'getnonce',
  'logout',
]);

interface LinkedRule extends MongoFaultRule {
  takes(operation: MongoOperation): boolean;
}

function takesCollection(wanted: readonly string[]): (operation: MongoOperation) => boolean {
  const exact = new Set(wanted);
  return ({ database, collection }) =>
    collection !== '' && (exact.has(`${database}.${collection}`) || exact.has(`${database}.*`));
}

function linkRule(rule: MongoFaultRule): LinkedRule {
  const { operations, collections } = rule;
  const named = operations === undefined ? undefined : new Set(operations);
  const isCollection = collections === undefined ? undefined : takesCollection(collections);
  return {
    ...rule,
    takes(operation) {
      const command = operation.command.toLowerCase();
      const isWanted = named === undefined ? !HANDSHAKES.has(command) : named.has(command);
      return isWanted && (isCollection === undefined || isCollection(operation));
    },
  };
}

const isDrawn = (percent: number, random: Random): boolean =>
  percent >= 100 || (percent > 0 && random.uniform() * 100 < percent);

function faultOf({ delay, refuse }: MongoFaultRule, random: Random): MongoFault | undefined {
  const delayMs = delay !== undefined && isDrawn(delay.percent, random) ? delay.ms : 0;
  const isRefused = refuse !== undefined && isDrawn(refuse.percent, random);
  if (delayMs === 0 && !isRefused) return undefined;
  return { delayMs, ...(isRefused ? { refusal: refuse.refusal } : {}) };
}

/** Of operations. */
interface LinkedRoute extends MongoRouteRule {
  takes(operation: MongoOperation, kind: MongoOperationKind): boolean;
}

function linkRoute(route: MongoRouteRule): LinkedRoute {
  const databases = route.databases === undefined ? undefined : new Set(route.databases);
  const operations = route.operations === undefined ? undefined : new Set(route.operations);
  const isCollection =
    route.collections === undefined ? undefined : takesCollection(route.collections);
  return {
    ...route,
    takes: (operation, kind) =>
      (databases === undefined || databases.has(operation.database)) &&
      (isCollection === undefined || isCollection(operation)) &&
      (operations === undefined ||
        (kind !== 'other' && operations.has(kind)) ||
        operations.has(operation.command.toLowerCase())),
  };
}

/** A whole connection can't be taken for what some of its operations are. */
const takesConnections = ({ collections, operations }: MongoRouteRule): boolean =>
  collections === undefined && operations === undefined;

function linkRules(
  { policy, collections, faults, routes, directConnection = false }: MongoConfig,
  random: Random,
): MongoRules {
  const rules = faults.map((rule) => linkRule(rule));
  const operationRoutes = routes.map((route) => linkRoute(route));
  const connectionRoutes = routes.filter((route) => takesConnections(route));
  return {
    policy,
    collections,
    hasFaults: rules.length > 0,
    hasRoutes: routes.length > 0,
    fault(operation) {
      const rule = rules.find((one) => one.takes(operation));
      return rule === undefined ? undefined : faultOf(rule, random);
    },
    directConnection,
    target: (database) =>
      connectionRoutes.find(({ databases }) => databases?.includes(database) === true)?.target,
    route: (operation, kind) =>
      operationRoutes.find((route) => route.takes(operation, kind))?.target,
  };
}

export const mongoFilter: PolicyFilter = {
  kind: 'mongo',
  phase: 'fault',
  link: (config, { host }) => ({ mongo: linkRules(config as MongoConfig, host.random) }),
};
