/** A regular expression as instructions: plain JSON, made by the control plane, run by match.ts. */
import type { Assertion, Ranges } from './syntax.ts';

export type Instruction =
  | { readonly op: 'class'; readonly ranges: Ranges; readonly next: number }
  /** `first` is preferred (greedy or lazy). */
  | { readonly op: 'split'; readonly first: number; readonly second: number }
  | { readonly op: 'assert'; readonly assertion: Assertion; readonly next: number }
  | { readonly op: 'save'; readonly slot: number; readonly next: number }
  | { readonly op: 'match' };

export interface RegexProgram {
  readonly start: number;
  /** Capturing groups, the whole match not counted. */
  readonly groups: number;
  readonly instructions: readonly Instruction[];
}
