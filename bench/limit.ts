/** A local rate limit as the benchmarks need one: a bucket, and 429 when it is empty. */
import { TokenBucket } from '../src/lib/token-bucket.ts';
import type { TokenBucketOptions } from '../src/lib/token-bucket.ts';
import type { LocalReply } from '../src/model/exchange.ts';
import type { Filter, PolicyFilter } from '../src/model/policy.ts';

const LIMITED: LocalReply = {
  status: 429,
  body: 'local_rate_limited',
  headers: [['content-type', 'text/plain']],
  flag: 'RL',
  details: 'local_rate_limited',
};

export const limitFilter: PolicyFilter = {
  kind: 'bench-limit',
  phase: 'limit',
  link(config, { host }): Filter {
    const bucket = new TokenBucket(config as TokenBucketOptions, host.clock.nowMs());
    return { request: () => (bucket.take(host.clock.nowMs()) ? undefined : LIMITED) };
  },
};
