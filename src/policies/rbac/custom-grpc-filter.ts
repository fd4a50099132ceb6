/** For runtimes that can call over HTTP/2 and see trailers. */
import type { PolicyFilter } from '../../model/policy.ts';
import { createGrpcCheck } from './check-grpc.ts';
import { createHttpCheck } from './check-http.ts';
import { createCustomFilter } from './custom-filter.ts';

export const customFilterWithGrpc: PolicyFilter = createCustomFilter((authorizer, context) =>
  authorizer.kind === 'http'
    ? createHttpCheck(authorizer, context)
    : createGrpcCheck(authorizer, context),
);
