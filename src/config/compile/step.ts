/** Steps of compile that read the context: what they read is noted, so that nobody can forget to name it. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { CompileContext } from './context.ts';
import type { Kept, Key } from './memo.ts';
import { compact, sameItems } from './memo.ts';
import type { Reading } from './recorder.ts';
import { Recorder, readsTheSame } from './recorder.ts';

/** With what a step read of its context, and what it left there. */
interface KeptStep extends Kept {
  readonly readings: readonly Reading[];
  readonly diagnostics: readonly Diagnostic[];
  readonly origins: readonly string[];
  readonly called: readonly string[];
}

/** `make` may read what stands in the key and the context that it is given, and no other. */
export function step<T>(
  key: Key,
  context: CompileContext,
  make: (context: CompileContext) => T,
): T {
  const { owner, slot, inputs } = key;
  const before = context.memo.find(owner, slot) as KeptStep | undefined;
  const isSame =
    before !== undefined &&
    sameItems(before.inputs, inputs) &&
    readsTheSame(before.readings, context);
  const kept = isSame ? before : run(inputs, context, make);
  if (!isSame) context.memo.set(owner, slot, kept);
  if (kept.diagnostics.length > 0) context.diagnostics.push(...kept.diagnostics);
  for (const name of kept.origins) context.origins.add(name);
  for (const host of kept.called) context.called.add(host);
  return kept.value as T;
}

function run(
  inputs: readonly unknown[],
  context: CompileContext,
  make: (context: CompileContext) => unknown,
): KeptStep {
  const recorder = new Recorder(context);
  const value = make(recorder);
  const { readings, diagnostics, origins, called } = recorder;
  return {
    inputs: compact(inputs),
    value,
    readings: compact(readings),
    diagnostics: compact(diagnostics),
    origins: compact([...origins.resources]),
    called: compact([...called]),
  };
}
