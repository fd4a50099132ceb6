import { describe, expect, it } from 'vitest';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import { analyse } from './index.ts';

function codes(route: string): string[] {
  const text = `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a.test]\n  http:\n  - {route: [{destination: {host: a.test}}], ${route}}\n`;
  const { resources, diagnostics } = readConfig([{ file: 'a.yaml', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  const found = analyse(resources).filter(({ code }) => code.startsWith('LAT'));
  for (const { place } of found) expect(place?.line).toBe(7);
  // Of methods that are repeated codes.test.ts tells.
  return found.map(({ code }) => code).filter((code) => code !== 'LAT0112');
}

describe('retries', () => {
  it('are noted where an edge runtime sees none of their conditions', () => {
    expect(codes('retries: {attempts: 2, retryOn: "connect-failure,reset"}')).toEqual(['LAT0104']);
    expect(codes('retries: {attempts: 2, retryOn: "connect-failure,503"}')).toEqual([]);
    expect(codes('retries: {attempts: 2, retryOn: "5xx"}')).toEqual([]);
    expect(codes('retries: {attempts: 2}')).toEqual([]);
  });

  it('are noted where they do not fit into the timeout', () => {
    const retries = 'retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}';
    expect(codes(`timeout: 2s, ${retries}`)).toEqual(['LAT0105']);
    expect(codes(`timeout: 3s, ${retries}`)).toEqual([]);
    expect(codes(retries)).toEqual([]);
  });
});
