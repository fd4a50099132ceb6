import { describe, expect, it } from 'vitest';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import { analyse } from './index.ts';

const mesh = (destination: string, gateways = ''): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: pay}
spec: {hosts: [pay.default.svc.cluster.local], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pay}
spec: {host: pay, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pay}
spec: {hosts: [pay], ${gateways}http: [{route: [{destination: ${destination}}]}]}
`;

function found(text: string): [string, string | undefined, number | undefined][] {
  const { resources } = readConfig([{ file: 'f', text }], { kinds });
  return analyse(resources).map(({ code, path, place }) => [code, path, place?.line]);
}

describe('references', () => {
  it('finds missing hosts, subsets and gateways, with their places', () => {
    expect(found(mesh('{host: nobody}'))).toEqual([
      ['IST0101', 'spec.http[0].route[0].destination.host', 15],
    ]);
    expect(found(mesh('{host: pay, subset: v9}'))).toEqual([
      ['IST0101', 'spec.http[0].route[0].destination.subset', 15],
    ]);
    expect(found(mesh('{host: pay}', 'gateways: [mesh, front], '))).toEqual([
      ['IST0101', 'spec.gateways[1]', 15],
      ['IST0132', 'spec.hosts', 15],
    ]);
  });

  it('finds nothing where everything is there', () => {
    expect(found(mesh('{host: pay, subset: v1}', 'gateways: [mesh], '))).toEqual([]);
  });
});
