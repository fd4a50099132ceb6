import { expect, it } from 'vitest';
import { doorExchange, linkDoor } from '../../../test/fixtures/door.ts';
import { createFakeHost } from '../../host/fake-host.ts';
import { ResponseHeaderList } from '../../lib/header-list.ts';
import { securityHeadersCompiler } from './compile.ts';
import { securityHeadersFilter } from './filter.ts';
import type { SecurityHeadersPart } from './schema.ts';

function said(
  part: SecurityHeadersPart,
  backend: readonly (readonly [string, string])[] = [],
  scheme: 'http' | 'https' = 'https',
): Readonly<Record<string, string>> {
  const host = createFakeHost();
  const filter = linkDoor(securityHeadersCompiler, securityHeadersFilter, part, { host });
  const response = new ResponseHeaderList(200, backend);
  filter.response?.(doorExchange([], { response, scheme }));
  const all: Record<string, string> = {};
  response.forEach((name, value) => {
    all[name] = value;
  });
  return all;
}

it('says the preset, and of it what the policy changes', () => {
  const all = said({ frameOptions: 'SAMEORIGIN', crossOriginEmbedderPolicy: '' });
  expect(all).toMatchObject({
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'same-origin',
  });
  expect(all).not.toHaveProperty('cross-origin-embedder-policy');
  expect(said({ preset: 'off' })).toEqual({});
  expect(said({ preset: 'off', contentTypeOptions: 'nosniff' })).toEqual({
    'x-content-type-options': 'nosniff',
  });
});

it('leaves what the backend says, unless it is to overwrite it', () => {
  const backend = [
    ['x-frame-options', 'ALLOWALL'],
    ['server', 'x/1.0'],
    ['x-powered-by', 'y'],
  ] as const;
  expect(said({ preset: 'api' }, backend)).toMatchObject({ 'x-frame-options': 'ALLOWALL' });
  expect(said({ preset: 'api', overwrite: true }, backend)['x-frame-options']).toBe('DENY');
  expect(said({}, backend)).not.toHaveProperty('server');
  expect(said({ remove: ['X-Powered-By'] }, backend)).toHaveProperty('server');
});

it('over plain HTTP nobody says Strict-Transport-Security', () => {
  const backend = [['strict-transport-security', 'max-age=1']] as const;
  expect(said({}, backend, 'http')).not.toHaveProperty('strict-transport-security');
  expect(said({ preset: 'off' }, backend)).toEqual({ 'strict-transport-security': 'max-age=1' });
});
