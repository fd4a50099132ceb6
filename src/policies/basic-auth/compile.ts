import { parseDuration } from '../../lib/duration.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { BasicAuthConfig } from './config.ts';
import type { BasicAuthPart } from './schema.ts';

const DEFAULT_FAILURES = 10;
const DEFAULT_WINDOW_MS = 60_000;

export const basicAuthCompiler: PolicyCompiler = {
  kind: 'basicAuth',
  phase: 'authn',
  compilePart(part, { policy }) {
    const given = part as BasicAuthPart;
    const { realm = 'restricted', users = [], secretName, userHeader, throttle = {} } = given;
    const [namespace = ''] = policy.split('/');
    const secret = secretName === undefined ? undefined : `${namespace}/${secretName}`;
    const config: BasicAuthConfig = {
      policy,
      realm,
      users,
      ...(secret === undefined ? {} : { secret }),
      ...(userHeader === undefined ? {} : { userHeader: userHeader.toLowerCase() }),
      isOptional: given.optional === true,
      forwardsCredentials: given.forwardCredentials === true,
      passesPreflight: given.allowPreflight === true,
      throttle: {
        failures: throttle.failures ?? DEFAULT_FAILURES,
        windowMs: parseDuration(throttle.window ?? '') ?? DEFAULT_WINDOW_MS,
      },
    };
    return { kind: 'basicAuth', config, ...(secret === undefined ? {} : { secrets: [secret] }) };
  },
};
