/** Compile gives the same bytes whatever the order of the resources, and never throws on what admission takes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { findings } from '../../src/config/findings.ts';
import type { AdmittedResource } from '../../src/model/config.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { SCOPES, admit, anyPart } from '../fixtures/meshes.ts';

const versions = (admitted: readonly AdmittedResource[]): string[] =>
  SCOPES.map((scope) => {
    const resources = admitted.map((one) => one.resource);
    const { named, endpoints, jwksUris } = compile({ resources, scope }, policyCompilers);
    return `${named.version} ${endpoints.version} ${jwksUris.join(' ')}`;
  });

/** A mesh as admission takes it, and the same in another order. */
const shuffled = fc
  .array(anyPart, { minLength: 1, maxLength: 16 })
  .map((named) => admit(named))
  .chain((admitted) =>
    fc.tuple(
      fc.constant(admitted),
      fc.shuffledSubarray([...admitted], { minLength: admitted.length }),
    ),
  );

describe('compile', () => {
  it('is independent of the order of the resources', () => {
    fc.assert(
      fc.property(shuffled, ([admitted, others]) => {
        expect(versions(others)).toEqual(versions(admitted));
      }),
      { numRuns: 500 },
    );
  });

  it('is the same again, and after the resources went over a wire', () => {
    fc.assert(
      fc.property(fc.array(anyPart, { maxLength: 12 }), (named) => {
        const admitted = admit(named);
        const received = admitted.map((one) => ({
          ...one,
          resource: JSON.parse(JSON.stringify(one.resource)) as typeof one.resource,
        }));
        expect(versions(received)).toEqual(versions(admitted));
      }),
      { numRuns: 100 },
    );
  });

  it('finds the same mistakes in any order', () => {
    const found = (admitted: readonly AdmittedResource[]): string[] =>
      findings(admitted, { kinds, policyCompilers })
        .map(({ code, resource, path }) => [code, resource, path].join(' '))
        .sort();
    fc.assert(
      fc.property(shuffled, ([admitted, others]) => {
        expect(found(others)).toEqual(found(admitted));
      }),
      { numRuns: 200 },
    );
  });

  it('is given what was generated: admission refuses little of it', () => {
    const given = fc.sample(fc.array(anyPart, { minLength: 16, maxLength: 16 }), 50);
    const unique = given.map(
      (named) => new Set(named.map((one) => `${one.kind}/${one.namespace}/${one.index}`)).size,
    );
    const taken = given.map((named) => admit(named).length);
    const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
    expect(sum(taken) / sum(unique)).toBeGreaterThan(0.9);
  });

  it('never throws on what was admitted, and neither does analysis', () => {
    fc.assert(
      fc.property(fc.array(anyPart, { maxLength: 12 }), (named) => {
        const admitted = admit(named);
        versions(admitted);
        findings(admitted, { kinds, policyCompilers });
      }),
      { numRuns: 200 },
    );
  });
});
