import { parseDuration } from '../../lib/duration.ts';
import { grpcStatusNames } from '../../lib/grpc-status.ts';
import type { HttpFault, Percent } from '../../model/api.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { FaultConfig } from './config.ts';

/** Absent percentage = never; a delay also reads the old integer. */
const percentOf = (value: Percent | undefined, old = 0): number => value?.value ?? old;

function compileFault({ delay, abort }: HttpFault): FaultConfig {
  const ms = parseDuration(delay?.fixedDelay ?? '') ?? 0;
  const grpcStatus = grpcStatusNames.indexOf(abort?.grpcStatus ?? '');
  const status = grpcStatus >= 0 ? 200 : abort?.httpStatus;
  return {
    ...(delay === undefined
      ? {}
      : { delay: { ms, percent: percentOf(delay.percentage, delay.percent) } }),
    ...(abort === undefined || status === undefined
      ? {}
      : {
          abort: {
            status,
            percent: percentOf(abort.percentage),
            ...(grpcStatus < 0 ? {} : { grpcStatus }),
          },
        }),
  };
}

export const faultCompiler: PolicyCompiler = {
  kind: 'fault',
  phase: 'fault',
  compileRoute({ route }) {
    // What is answered here meets no fault.
    if (
      route.fault === undefined ||
      route.redirect !== undefined ||
      route.directResponse !== undefined
    )
      return { diagnostics: [] };
    return { diagnostics: [], filter: { kind: 'fault', config: compileFault(route.fault) } };
  },
};
