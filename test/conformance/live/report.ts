/** What the front tells of the chosen route, in the words of a case's `expect`. */
import { formatDuration } from '../../../src/lib/duration.ts';
import type { FrontReport } from '../../../workers/test-front.ts';

type Fields = Readonly<Record<string, unknown>>;

interface FaultConfig {
  readonly delay?: { readonly ms: number; readonly percent: number };
  readonly abort?: { readonly status: number; readonly percent: number };
}

function faultFields({ delay, abort }: FaultConfig): Fields {
  if (delay !== undefined)
    return { fault: { delay: formatDuration(delay.ms), percent: delay.percent } };
  return abort === undefined ? {} : { fault: { abort: abort.status, percent: abort.percent } };
}

export function routeFields({ route }: FrontReport): Fields {
  if (route === undefined) return { timeout: '0s', retries: { attempts: 0 } };
  const { name, timeoutMs, retry } = route;
  return {
    ...(name === undefined ? {} : { route: name }),
    timeout: formatDuration(timeoutMs),
    retries:
      retry === undefined
        ? { attempts: 0 }
        : {
            attempts: retry.attempts,
            retryOn: [...retry.on, ...retry.statusCodes.map(String)],
            ...(retry.perTryTimeoutMs === 0
              ? {}
              : { perTryTimeout: formatDuration(retry.perTryTimeoutMs) }),
          },
    ...faultFields((route.fault ?? {}) as FaultConfig),
  };
}
