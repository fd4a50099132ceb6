/** IST0134, IST0177: ports that can't be told apart, and entries that disagree. */
import type { Resource, ServiceEntrySpec } from '../../model/api.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { perMesh } from './mesh.ts';

type Entry = Resource<ServiceEntrySpec>;

/** Istio allocates addresses of its own and says so in the status. */
function allocated({ status }: Entry): boolean {
  const { addresses } = (status ?? {}) as { readonly addresses?: unknown };
  return Array.isArray(addresses) && addresses.length > 0;
}

function analyseAddresses(entry: Entry): Finding[] {
  const { spec } = entry;
  if ((spec.addresses ?? []).length > 0 || allocated(entry)) return [];
  return (spec.ports ?? []).flatMap(({ protocol = '' }, index): Finding[] =>
    protocol === '' || protocol.toUpperCase() === 'TCP'
      ? [
          {
            code: 'IST0134',
            level: 'warning',
            path: `spec.ports[${index}]`,
            message:
              'a TCP port without addresses: its connections look like those of any other service on that port',
            remedy: 'give spec.addresses, or a protocol that names its host',
          },
        ]
      : [],
  );
}

function seenIn({ spec, metadata }: Entry): string {
  const exportTo = spec.exportTo ?? ['*'];
  return exportTo.every((name) => name === '.' || name === metadata.namespace)
    ? metadata.namespace
    : '*';
}

const entriesByHost = perMesh((mesh) =>
  Map.groupBy(
    mesh
      .of<ServiceEntrySpec>('ServiceEntry')
      .flatMap((entry) => entry.spec.hosts.map((host) => ({ host, entry }))),
    ({ host }) => host,
  ),
);

function analyseProtocols(own: Entry, mesh: MeshView): Finding[] {
  const scope = seenIn(own);
  const sameHost = own.spec.hosts.flatMap((host) => entriesByHost(mesh).get(host) ?? []);
  const others = sameHost
    .map(({ entry }) => entry)
    .filter((entry) => {
      const seen = seenIn(entry);
      return entry !== own && (seen === scope || seen === '*' || scope === '*');
    });
  return (own.spec.ports ?? []).flatMap(({ number, protocol = '' }, index): Finding[] => {
    const other = others.find(({ spec }) =>
      spec.ports?.some(
        (port) =>
          port.number === number && (port.protocol ?? '').toUpperCase() !== protocol.toUpperCase(),
      ),
    );
    return other === undefined
      ? []
      : [
          {
            code: 'IST0177',
            level: 'warning',
            path: `spec.ports[${index}].protocol`,
            message: `ServiceEntry ${other.metadata.namespace}/${other.metadata.name} gives port ${number} of the same host another protocol`,
            remedy: 'use one protocol for a port of a host',
          },
        ];
  });
}

export const analyseServiceEntry: Analyser = (resource, mesh) => {
  const entry = resource as Entry;
  return [...analyseAddresses(entry), ...analyseProtocols(entry, mesh)];
};
