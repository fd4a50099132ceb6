import fc from 'fast-check';
import { expect, it } from 'vitest';
import { coreKinds, istioKinds } from '../resources/index.ts';
import { readConfig } from './pipeline.ts';

const kinds = [...istioKinds, ...coreKinds];

/** Names that the schemas know, so that odd values reach deep. */
const names = `
  hosts http tls tcp match route uri headers destination host trafficPolicy loadBalancer
  consistentHash subsets labels servers port rules from source when key values jwtRules
  fromHeaders endpoints address ports selector timeout regex exact prefix redirect retries
`
  .trim()
  .split(/\s+/);
const leaf = fc.oneof(
  fc.constantFrom('', '*', 'a.test', '1s', '(', '{**}', '10.0.0.0/8', 'v1', '%', '~', 'yes'),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    leaf,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 5 }),
  ),
}));

it('never throws, and refuses with a place, whatever a spec holds', () => {
  fc.assert(
    fc.property(fc.constantFrom(...istioKinds, ...coreKinds), tree, ({ group, kind }, spec) => {
      const apiVersion = group === '' ? 'v1' : `${group}/v1`;
      const document = { apiVersion, kind, metadata: { name: 'a' }, spec };
      const { resources, diagnostics } = readConfig(
        [{ file: 'a.json', text: JSON.stringify(document) }],
        { kinds },
      );
      const errors = diagnostics.filter(({ level }) => level === 'error');
      expect(resources.length).toBe(errors.length === 0 ? 1 : 0);
      for (const { message, place } of errors) {
        expect(message).not.toMatch(/undefined|\[object/);
        expect(place?.line).toBe(1);
      }
    }),
    { numRuns: 500 },
  );
});

it('never throws, whatever the text', () => {
  const piece = fc.oneof(
    fc.constantFrom('- ', ': ', '\n', '  ', '&a ', '*a', '---\n', '{', '}', '[', ']', '"', '? '),
    fc.constantFrom('kind: List\n', 'items:\n', '<<: *a', '!!set', '|\n', '#', '\t', '\u0000'),
    fc.string({ maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const { diagnostics } = readConfig([{ file: 'a.yaml', text: pieces.join('') }], { kinds });
      for (const { place } of diagnostics) expect(place?.file).toBe('a.yaml');
    }),
    { numRuns: 1000 },
  );
});
