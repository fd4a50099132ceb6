/** Rules for MongoDB's operations. Nothing of it concerns HTTP: who carries connections asks for `mongo`. */
import type { Random } from '../../host/host.ts';
import type { MongoFault, MongoOperation, MongoRules } from '../../model/mongo.ts';
import type { PolicyFilter } from '../../model/policy.ts';
import type { MongoConfig, MongoFaultRule } from './config.ts';

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

function linkRules(
  { policy, collections, faults, routes }: MongoConfig,
  random: Random,
): MongoRules {
  const rules = faults.map((rule) => linkRule(rule));
  return {
    policy,
    collections,
    hasFaults: rules.length > 0,
    hasRoutes: routes.length > 0,
    fault(operation) {
      const rule = rules.find((one) => one.takes(operation));
      return rule === undefined ? undefined : faultOf(rule, random);
    },
    target: (database) => routes.find(({ databases }) => databases.includes(database))?.target,
  };
}

export const mongoFilter: PolicyFilter = {
  kind: 'mongo',
  phase: 'fault',
  link: (config, { host }) => ({ mongo: linkRules(config as MongoConfig, host.random) }),
};
