/** What a change costs the control plane with 10,000 VirtualServices and 10,000 Services: at first, and one by one. */
import { createCompiler } from '../src/config/compile/index.ts';
import { policyCompilers } from '../src/presets/control.ts';
import { LARGE_SCOPES, largeMesh, withChange } from './large-mesh.ts';
import { median, settle } from './measure.ts';

const COUNT = 10_000;
const FULL_ROUNDS = 3;
const CHANGES = 21;
/** What is promised. */
const MOST_FULL_MS = 3000;
const MOST_CHANGE_MS = 30;

function timed(work: () => unknown): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}

export function benchCompile(): void {
  const first = largeMesh(COUNT);
  for (const scope of LARGE_SCOPES) {
    const full = Array.from({ length: FULL_ROUNDS }, () =>
      timed(() => createCompiler(policyCompilers).compile({ resources: first, scope })),
    );
    const compiler = createCompiler(policyCompilers);
    compiler.compile({ resources: first, scope });
    let resources = first;
    const changed = Array.from({ length: CHANGES }, (_, change) => {
      resources = withChange(resources, change);
      return timed(() => compiler.compile({ resources, scope }));
    });
    settle();
    const megabytes = process.memoryUsage().heapUsed / 1e6;
    const [fullMs, changeMs] = [median(full), median(changed)];
    console.log(
      `compile of ${COUNT} VirtualServices and Services for a ${scope.type}: ${fullMs.toFixed(0)} ms (want less than ${MOST_FULL_MS}); ` +
        `one changed: ${changeMs.toFixed(1)} ms (want less than ${MOST_CHANGE_MS}), ${(fullMs / changeMs).toFixed(0)} x cheaper; heap ${megabytes.toFixed(0)} MB`,
    );
    // Still reachable: the figure is of a compiler that is kept.
    compiler.diagnose({ resources: [], scope });
  }
}

if (import.meta.main) benchCompile();
