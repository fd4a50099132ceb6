/** A little of what `npm run fuzz` does at length, and that its documents still reach everything. */
import { describe, expect, it } from 'vitest';
import { kinds } from '../../src/presets/control.ts';
import { documentOf, faultsOf, fociOf, keyOf, mend } from './documents.ts';
import { expectHolds } from './expect-holds.ts';
import { brokenMeshes, validMeshes } from './meshes.ts';
import { Random } from './random.ts';
import { routeTables } from './routes.ts';
import { has } from './schema.ts';

/** Admission refuses these fields whatever they hold. */
const NEVER_ADMITTED = [
  'networking.istio.io/Gateway spec.servers.[].port.targetPort',
  'networking.istio.io/VirtualService spec.http.[].fault.delay.exponentialDelay',
  'networking.istio.io/VirtualService spec.http.[].fault.abort.http2Error',
];

describe('generated documents', () => {
  it.each(kinds.map((kind) => [keyOf(kind), kind] as const))(
    'of %s are mostly admitted',
    (_name, kind) => {
      const random = new Random(1);
      const made = Array.from({ length: 40 }, () => mend(documentOf(kind, random), random));
      const taken = made.filter((document) => faultsOf(document).length === 0);
      expect(taken.length / made.length).toBeGreaterThan(1 / 3);
    },
  );

  it('are admitted with every field that a schema knows', () => {
    const missing = kinds.flatMap((kind) =>
      fociOf(kind)
        .filter((focus) => {
          for (let seed = 0; seed < 100; seed++) {
            const random = new Random(seed);
            const document = mend(documentOf(kind, random, focus), random);
            if (has(document, focus) && faultsOf(document).length === 0) return false;
          }
          return true;
        })
        .map((focus) => `${keyOf(kind)} ${focus.join('.')}`),
    );
    expect(missing.toSorted()).toEqual(NEVER_ADMITTED.toSorted());
  });
});

describe('fuzz', () => {
  it('schema-valid configurations: no throw, and the same bytes in any order', () => {
    const counts = expectHolds(validMeshes, 250);
    expect(counts.of('documents admitted')).toBeGreaterThan(counts.of('documents made') / 2);
  });

  it('broken configurations: said what is wrong, no throw', () => {
    const counts = expectHolds(brokenMeshes, 200);
    expect(counts.of('errors said')).toBeGreaterThan(100);
    expect(counts.of('broken documents still admitted')).toBeGreaterThan(100);
  });

  it('decisions: those of the slow reference', () => {
    const counts = expectHolds(routeTables, 1500);
    expect(counts.of('decided: a route')).toBeGreaterThan(1000);
  });
});
