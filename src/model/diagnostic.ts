export type Level = 'error' | 'warning' | 'info';

/** Where in the text that a person wrote; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * One finding, of admission, analysis, compile or link.
 * Codes: IST0xxx with Istio's meaning, LAT0xxx our own (docs/errors).
 */
export interface Diagnostic {
  readonly code: string;
  readonly level: Level;
  /** Lower case; names the value seen and the value wanted. */
  readonly message: string;
  readonly place?: Place;
  /** Field path, as `spec.http[0].route[0].weight`. */
  readonly path?: string;
  /** `Kind namespace/name`. */
  readonly resource?: string;
  /** What to do about it. */
  readonly remedy?: string;
}
