import { describe, expect, it } from 'vitest';
import { isGrpcType, readGrpcStatus } from '../lib/grpc-status.ts';
import { RequestHeaderList, ResponseHeaderList } from '../lib/header-list.ts';
import {
  callTimeoutMs,
  cutCall,
  grpcWebMode,
  parseGrpcTimeout,
  toGrpcRequest,
  toGrpcWeb,
  toGrpcWebHead,
  writeGrpcTimeout,
} from './grpc.ts';

function request(...fields: [string, string][]): RequestHeaderList {
  const line = { method: 'POST', scheme: 'http', authority: 'a', target: '/' } as const;
  return new RequestHeaderList(line, fields);
}

it.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc-web', false],
  ['application/grpc-web+proto', false],
  ['application/grpcs', false],
  ['application/json', false],
  [undefined, false],
])('%s is gRPC: %s', (type, wanted) => expect(isGrpcType(type)).toBe(wanted));

it.each([
  ['0', 0],
  ['16', 16],
  ['17', 2],
  ['-1', 2],
  ['', 2],
  ['014', 2],
  [undefined, -1],
])('status %s is read as %i', (text, wanted) => expect(readGrpcStatus(text)).toBe(wanted));

describe('timeouts', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['4m', 4],
    ['1u', 1],
    ['2000u', 2],
    ['2001u', 3],
    ['1n', 1],
    ['99999999m', 99_999_999],
    ['0S', 0],
    ['123456789m', undefined],
    ['1', undefined],
    ['m', undefined],
    ['+1m', undefined],
    ['1.5S', undefined],
    ['1 S', undefined],
    ['1s', undefined],
    ['1S,2S', undefined],
  ])('%s', (text, wanted) => expect(parseGrpcTimeout(text)).toBe(wanted));

  it('are at most those of the route; none, nought and nonsense bound nothing', () => {
    const timeout = (given: string | undefined, routeMs: number): number =>
      callTimeoutMs(given === undefined ? request() : request(['grpc-timeout', given]), routeMs);
    expect(timeout('2S', 5000)).toBe(2000);
    expect(timeout('7S', 5000)).toBe(5000);
    expect(timeout(undefined, 5000)).toBe(5000);
    expect(timeout('0S', 5000)).toBe(5000);
    expect(timeout('x', 5000)).toBe(5000);
    expect(timeout('2S', 0)).toBe(2000);
    expect(timeout(undefined, 0)).toBe(0);
    expect(timeout('x', 0)).toBe(0);
    expect(timeout('99999999H', 0)).toBe(0);
  });

  it('are written in eight digits', () => {
    expect(writeGrpcTimeout(99_999_999)).toBe('99999999m');
    expect(writeGrpcTimeout(100_000_000)).toBe('100000S');
  });
});

describe('a call that is cut', () => {
  it.each([
    ['timeout', undefined, 4, 'UT'],
    ['reset', undefined, 14, 'UC'],
    ['reset', 8, 1, 'UR'],
    ['reset', 0, 13, 'UR'],
    ['refused-stream', undefined, 14, 'UR'],
    ['protocol-error', undefined, 13, 'UPE'],
  ] as const)('%s %s', (failure, code, status, flag) => {
    expect(cutCall(failure, code)).toMatchObject({ status, flag });
  });
});

describe('gRPC-Web', () => {
  const web = 'application/grpc-web';

  it('is told by its types, and what is asked for by Accept', () => {
    const mode = (type: string, accept = ''): unknown =>
      grpcWebMode(request(['accept', accept]), type);
    expect(mode(web)).toEqual({ isTextRequest: false, isTextResponse: false });
    expect(mode(`${web}-text+proto`)).toEqual({ isTextRequest: true, isTextResponse: false });
    expect(mode(`${web}+proto`, `${web}-text`)).toEqual({
      isTextRequest: false,
      isTextResponse: true,
    });
    for (const other of [`${web}+json`, `${web}; a=b`, 'application/grpc'])
      expect(mode(other)).toBeUndefined();
  });

  it('becomes gRPC in its heads', () => {
    const head = request(['content-type', web], ['content-length', '5']);
    toGrpcRequest(head);
    const fields: string[] = [];
    head.forEach((name, value) => fields.push(`${name}: ${value}`));
    expect(fields).toEqual([
      'content-type: application/grpc',
      'te: trailers',
      'grpc-accept-encoding: identity',
    ]);
  });

  const binary = { isTextRequest: false, isTextResponse: false };

  it('answers in its type, and says a status where there is none', () => {
    const answer = new ResponseHeaderList(200, [['content-type', 'application/grpc+proto']]);
    toGrpcWebHead(answer, binary);
    expect([answer.get('content-type'), answer.has('grpc-status')]).toEqual([
      `${web}+proto`,
      false,
    ]);
    const foreign = new ResponseHeaderList(504, [
      ['content-type', 'text/html'],
      ['content-length', '9'],
    ]);
    toGrpcWebHead(foreign, { ...binary, isTextResponse: true });
    expect([foreign.get('content-type'), foreign.get('grpc-status')]).toEqual([
      `${web}-text+proto`,
      '14',
    ]);
    expect(foreign.has('content-length')).toBe(false);
  });

  it('replies of the proxy keep the status that a filter gave them', () => {
    const reply = { status: 200, body: '', flag: 'FI', details: '' };
    const headers = [['grpc-status', '8'] as const, ['content-type', 'application/grpc'] as const];
    expect(toGrpcWeb({ ...reply, headers }, binary).headers).toEqual([
      ['grpc-status', '8'],
      ['content-type', `${web}+proto`],
    ]);
  });
});
