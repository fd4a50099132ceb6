import { parseDuration } from '../../lib/duration.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { MongoConfig, MongoFaultRule, MongoRouteRule } from './config.ts';
import type { MongoPart, MongoPartFault, MongoPartRoute } from './schema.ts';

const DEFAULT_CODE = 96;
const DEFAULT_MESSAGE = 'refused by the mesh';

/** MongoDB's own names of errors that are likely to be rehearsed. */
const CODE_NAMES: Readonly<Record<number, string>> = {
  6: 'HostUnreachable',
  7: 'HostNotFound',
  13: 'Unauthorized',
  18: 'AuthenticationFailed',
  24: 'LockTimeout',
  26: 'NamespaceNotFound',
  43: 'CursorNotFound',
  50: 'MaxTimeMSExpired',
  64: 'WriteConcernTimeout',
  89: 'NetworkTimeout',
  91: 'ShutdownInProgress',
  96: 'OperationFailed',
  112: 'WriteConflict',
  189: 'PrimarySteppedDown',
  251: 'NoSuchTransaction',
  262: 'ExceededTimeLimit',
  9001: 'SocketException',
  10107: 'NotWritablePrimary',
  11000: 'DuplicateKey',
  11600: 'InterruptedAtShutdown',
  11602: 'InterruptedDueToReplStateChange',
  13435: 'NotPrimaryNoSecondaryOk',
};

function compileFault({ operations, collections, delay, refuse }: MongoPartFault): MongoFaultRule {
  const { code = DEFAULT_CODE } = refuse ?? {};
  return {
    ...(operations === undefined
      ? {}
      : { operations: operations.map((operation) => operation.toLowerCase()) }),
    ...(collections === undefined ? {} : { collections }),
    ...(delay === undefined
      ? {}
      : { delay: { percent: delay.percent ?? 100, ms: parseDuration(delay.duration) ?? 0 } }),
    ...(refuse === undefined
      ? {}
      : {
          refuse: {
            percent: refuse.percent ?? 100,
            refusal: {
              code,
              codeName: refuse.codeName ?? CODE_NAMES[code] ?? `Location${code}`,
              message: refuse.message ?? DEFAULT_MESSAGE,
            },
          },
        }),
  };
}

function compileRoute(route: MongoPartRoute): MongoRouteRule {
  const { databases, collections, operations, host, port, subset } = route;
  return {
    ...(databases === undefined ? {} : { databases }),
    ...(collections === undefined ? {} : { collections }),
    ...(operations === undefined
      ? {}
      : { operations: operations.map((operation) => operation.toLowerCase()) }),
    target: {
      ...(host === undefined ? {} : { service: host.toLowerCase() }),
      ...(port === undefined ? {} : { port }),
      ...(subset === undefined ? {} : { subset }),
    },
  };
}

export const mongoCompiler: PolicyCompiler = {
  kind: 'mongo',
  phase: 'fault',
  compilePart(part, { policy }) {
    const { collections, faults = [], routes = [], directConnection } = part as MongoPart;
    const config: MongoConfig = {
      policy,
      ...(collections === undefined ? {} : { collections }),
      faults: faults.map((fault) => compileFault(fault)),
      routes: routes.map((route) => compileRoute(route)),
      ...(directConnection === true ? { directConnection } : {}),
    };
    return { kind: 'mongo', config };
  },
  partServices: (part) =>
    ((part as MongoPart).routes ?? []).flatMap(({ host }) =>
      host === undefined ? [] : [host.toLowerCase()],
    ),
};
