import { describe, expect, it } from 'vitest';
import { faultText } from './fault.ts';

describe('faultText', () => {
  const coded = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
  const openssl = Object.assign(new Error('0A:error:ssl.c:78:\n'), {
    code: 'ERR_SSL_WRONG_VERSION_NUMBER',
  });
  it.each([
    [new Error('plain'), 'plain'],
    [
      new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
      'connect ECONNREFUSED',
    ],
    [new TypeError('fetch failed', { cause: coded }), 'ECONNREFUSED'],
    [new TypeError('fetch failed', { cause: openssl }), 'ERR_SSL_WRONG_VERSION_NUMBER'],
    [new TypeError('fetch failed', { cause: 'x' }), 'fetch failed'],
    ['text', 'unknown'],
  ])('%s', (error, text) => {
    expect(faultText(error)).toBe(text);
  });
});
