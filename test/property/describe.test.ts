/** What is said of a host is what compile makes for its clients: no rule is missing, none stands there in vain. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createMeshView } from '../../src/config/analyse/mesh.ts';
import { compile } from '../../src/config/compile/index.ts';
import { describeHost } from '../../src/config/describe/index.ts';
import type { Resource } from '../../src/model/api.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { policyCompilers } from '../../src/presets/control.ts';
import { admit, anyPart } from '../fixtures/meshes.ts';

const RULE = /^spec\.(?:http|tls|tcp|rules)\[\d+\]/;

/** Rules that requests for the host meet, by what a client in the namespace is sent. */
function rulesFor(host: string, namespace: string, resources: readonly Resource[]): string[] {
  const scope: ProxyScope = { type: 'sidecar-outbound', namespace, name: 'describe', labels: {} };
  const { listeners } = compile({ resources, scope }, policyCompilers).named.snapshot;
  // On a port without the host the longest wildcard takes its requests.
  const labels = host.split('.');
  const wide = labels.map((_, index) => `*.${labels.slice(index + 1).join('.')}`);
  const rules = listeners
    .flatMap(({ virtualHosts }) => {
      const named = [host, ...wide, '*'].map((name) =>
        virtualHosts.filter(({ domains }) => domains.includes(name)),
      );
      return named.find((found) => found.length > 0) ?? [];
    })
    .flatMap(({ routes }) => routes.map(({ origin }) => origin))
    .flatMap(({ resource, path }) => {
      const rule = RULE.exec(path);
      return rule === null ? [] : [`${resource} ${rule[0]}`];
    });
  return [...new Set(rules)].sort();
}

it('names every rule that a request for a host meets, and says of no other that it is in force', () => {
  let rules = 0;
  fc.assert(
    fc.property(fc.array(anyPart, { minLength: 12, maxLength: 40 }), (named) => {
      const resources = admit(named).map(({ resource }) => resource);
      const { registry } = createMeshView(resources);
      for (const namespace of ['a', 'b'])
        for (const host of registry.visibleTo(namespace).keys()) {
          if (host.startsWith('*')) continue;
          const described = describeHost({ resources, host, namespace, findings: [] });
          const said = (described?.routes ?? [])
            .filter(({ roles }) => roles.includes('for'))
            .filter(({ attachments }) =>
              attachments.some(({ parent, inForce }) => inForce && !parent.startsWith('Gateway ')),
            )
            .map(({ resource, path }) => `${resource} ${path}`);
          const met = rulesFor(host, namespace, resources);
          rules += met.length;
          expect(
            [...new Set(said)].filter((one) => !/spec\.(?:tls|tcp)\[/.test(one)).sort(),
          ).toEqual(met.filter((one) => !/spec\.(?:tls|tcp)\[/.test(one)));
        }
    }),
    { numRuns: 300 },
  );
  expect(rules).toBeGreaterThan(50);
});
