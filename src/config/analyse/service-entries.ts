/** IST0134, IST0177: ports that can't be told apart, and entries that disagree. */
import type { Resource, ServiceEntrySpec } from '../../model/api.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';

type Entry = Resource<ServiceEntrySpec>;

function analyseAddresses({ spec }: Entry): Finding[] {
  if ((spec.addresses ?? []).length > 0) return [];
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

function analyseProtocols(own: Entry, mesh: MeshView): Finding[] {
  const scope = seenIn(own);
  const others = mesh.of<ServiceEntrySpec>('ServiceEntry').filter((other) => {
    const seen = seenIn(other);
    const meets = seen === scope || seen === '*' || scope === '*';
    return other !== own && meets && other.spec.hosts.some((host) => own.spec.hosts.includes(host));
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
