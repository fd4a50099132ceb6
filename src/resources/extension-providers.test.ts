import { describe, expect, it } from 'vitest';
import { readAuthorizers } from './extension-providers.ts';
import { checkMeshConfig } from './mesh-config-checks.ts';

const service = { service: 'ns/Checker.test', port: 8000 };
const read = (provider: object): unknown =>
  readAuthorizers([{ name: 'checker', ...provider }]).get('checker');
const common = {
  service: 'checker.test',
  port: 8000,
  timeoutMs: 600_000,
  failOpen: false,
  statusOnError: 403,
  clearRouteCache: false,
};

describe('every field', () => {
  it('over gRPC', () => {
    expect(read({ envoyExtAuthzGrpc: service })).toEqual({ kind: 'grpc', ...common });
    expect(
      read({
        envoyExtAuthzGrpc: {
          ...service,
          timeout: '250ms',
          failOpen: true,
          statusOnError: '503',
          clearRouteCache: true,
          includeRequestBodyInCheck: {
            maxRequestBytes: 4_000_000,
            allowPartialMessage: true,
            packAsBytes: true,
          },
        },
      }),
    ).toEqual({
      ...common,
      kind: 'grpc',
      timeoutMs: 250,
      failOpen: true,
      statusOnError: 503,
      clearRouteCache: true,
      body: { maxBytes: 1_048_576, allowPartial: true, asBytes: true },
    });
  });

  it('over HTTP', () => {
    expect(
      read({
        envoyExtAuthzHttp: {
          ...service,
          pathPrefix: '/check',
          includeHeadersInCheck: ['Old'],
          includeRequestHeadersInCheck: ['X-A', 'x-b*'],
          includeAdditionalHeadersInCheck: { 'X-From': 'mesh' },
          headersToUpstreamOnAllow: ['X-User'],
          headersToDownstreamOnAllow: ['Set-Cookie'],
          headersToDownstreamOnDeny: ['X-Why'],
        },
      }),
    ).toEqual({
      ...common,
      kind: 'http',
      pathPrefix: '/check',
      requestHeaders: ['x-a', 'x-b*', 'old'],
      additionalHeaders: [['x-from', 'mesh']],
      upstreamOnAllow: ['x-user'],
      downstreamOnAllow: ['set-cookie'],
      downstreamOnDeny: ['x-why'],
    });
  });
});

describe('what can not be asked', () => {
  it.each<[string, object]>([
    ['names no service', { service: '' }],
    ['port 0', { port: 0 }],
    ['port 65536', { port: 65_536 }],
    ['port "80"', { port: '80' }],
    ['statusOnError "600"', { statusOnError: '600' }],
    ['timeout "0s"', { timeout: '0s' }],
    ['timeout "soon"', { timeout: 'soon' }],
    ['pathPrefix "check"', { pathPrefix: 'check' }],
    ['pathPrefix', { pathPrefix: '/a b' }],
    ['pathPrefix', { pathPrefix: '/a\r\nx' }],
    ['pathPrefix', { pathPrefix: '/a?b' }],
    [
      'includeAdditionalHeadersInCheck',
      { includeAdditionalHeadersInCheck: { 'x-a': '1\r\nx-b: 2' } },
    ],
    ['includeAdditionalHeadersInCheck', { includeAdditionalHeadersInCheck: { 'x a': '1' } }],
  ])('%s', (reason, fields) => {
    expect(read({ envoyExtAuthzHttp: { ...service, ...fields } })).toEqual({
      kind: 'unusable',
      reason: expect.stringContaining(reason),
    });
  });
});

it('a body larger than is kept is said at admission', () => {
  const text = (bytes: number): string =>
    `extensionProviders: [{name: checker, envoyExtAuthzGrpc: {service: a.test, port: 80, includeRequestBodyInCheck: {maxRequestBytes: ${bytes}}}}]`;
  expect(checkMeshConfig(text(1_048_576))).toEqual([]);
  expect(checkMeshConfig(text(1_048_577))).toMatchObject([
    { level: 'warning', message: expect.stringContaining('counts as 1048576') },
  ]);
});
