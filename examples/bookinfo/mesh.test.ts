/** The files of Istio's tasks are admitted, and analysis has nothing to say about them. */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findings } from '../../src/config/findings.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { bookinfoResources } from './bookinfo.ts';

const folder = new URL('mesh/', import.meta.url);
const files = globSync('*.yaml', { cwd: folder }).sort();
const BASE = ['bookinfo-gateway.yaml', 'destination-rule-all.yaml'];

const services = [
  'productpage v1',
  'details v1',
  'reviews v1',
  'reviews v2',
  'reviews v3',
  'ratings v1',
]
  .map((text) => text.split(' '))
  .map(([name = '', version = '']) => ({ name, version, port: 9080, close: async () => {} }));

const source = (file: string): { file: string; text: string } => ({
  file,
  text: readFileSync(new URL(file, folder), 'utf8'),
});

function said(names: readonly string[]): string[] {
  const demo = { file: 'services', text: bookinfoResources(services, ({ port }) => port) };
  const { resources, diagnostics } = readConfig([demo, ...names.map((name) => source(name))], {
    kinds,
  });
  // A canary's point is that some subsets get nothing: LAT0111 notes which.
  return [...diagnostics, ...findings(resources, { kinds, policyCompilers })]
    .filter(({ code }) => code !== 'LAT0111')
    .map(({ code, level, resource }) => [code, level, resource].join(' '));
}

describe('the mesh of Bookinfo', () => {
  it.each(files.filter((file) => file !== 'virtual-service-all-v1.yaml'))(
    '%s beside the demo: no fault, no finding',
    (file) => {
      expect(said([...new Set([...BASE, file])])).toEqual([]);
    },
  );

  // True, and known to who has read the task: the rule for productpage holds in the mesh, and visitors come by the gateway.
  it('virtual-service-all-v1.yaml: a note that ingress is not pinned with it', () => {
    expect(said([...BASE, 'virtual-service-all-v1.yaml'])).toEqual([
      'IST0140 info VirtualService default/bookinfo',
    ]);
  });

  it('is found wanting without its services', () => {
    const text = BASE.map((name) => source(name).text).join('\n---\n');
    const { resources } = readConfig([{ file: 'mesh', text }], { kinds });
    const codes = findings(resources, { kinds, policyCompilers }).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['IST0101', 'IST0174']));
  });
});
