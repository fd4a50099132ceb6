/** What a change costs the control plane: 1,000 VirtualServices compiled for one sidecar. */
import { compile } from '../src/config/compile/index.ts';
import { policyCompilers } from '../src/presets/control.ts';
import { median } from './measure.ts';
import { resourcesOf, routesOf } from './mesh.ts';

const COUNT = 1000;
const ROUNDS = 5;

export function benchCompile(): void {
  const services = Array.from(
    { length: COUNT },
    (_, index) =>
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v${index}}\nspec: {hosts: [s${index}.example.com], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: shop}}]}, {route: [{destination: {host: shop}}]}]}`,
  );
  const resources = resourcesOf(
    routesOf(10, () => 'timeout: 1s'),
    ...services,
  );
  const scope = {
    type: 'sidecar-outbound',
    namespace: 'default',
    name: 'client',
    labels: {},
  } as const;
  const rounds = Array.from({ length: ROUNDS }, () => {
    const begun = performance.now();
    compile({ resources, scope }, policyCompilers);
    return performance.now() - begun;
  });
  console.log(`compile of ${COUNT} VirtualServices: ${median(rounds).toFixed(0)} ms`);
}

if (import.meta.main) benchCompile();
