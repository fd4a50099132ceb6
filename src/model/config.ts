/** Contracts of the config path: what its steps hand to each other. */
import type { Resource } from './api.ts';
import type { Diagnostic, Place } from './diagnostic.ts';
import type { Blob } from './manifest.ts';
import type { EndpointOverlay, NamedSnapshot, ProxyScope } from './snapshot.ts';
import type { TrustSettings } from './trust.ts';

export interface SourceText {
  /** Name shown in diagnostics: a path, `stdin`, a URL. */
  readonly file: string;
  readonly text: string;
}

/** One YAML or JSON document as plain data, with where each of its nodes stands. */
export interface ParsedDocument {
  readonly value: unknown;
  readonly file: string;
  /** Place of the node at a path as `spec.http[0].route`, else of its nearest ancestor. */
  placeOf(path: string): Place;
  /** The unquoted word at a path where YAML reads it as something else than that text: `yes`, `1.10`. */
  wordAt?(path: string): string | undefined;
  sourceMap?(): SourceMap;
}

/** A resource that admission let in, with the way back to its text. */
export interface AdmittedResource {
  readonly resource: Resource;
  readonly placeOf: (path: string) => Place | undefined;
  /** Where its nodes stand; absent where it has no text. */
  readonly sourceMap?: () => SourceMap;
}

/** Where the nodes of one resource stand, by path. It is kept beside the resource and never enters a snapshot. */
export interface SourceMap {
  readonly file: string;
  readonly places: Readonly<Record<string, readonly [line: number, column: number]>>;
}

/** One API kind. Adding a kind is adding one of these to a preset. */
export interface ResourceKind {
  readonly group: string;
  readonly kind: string;
  /** All served versions, newest first; they are normalised to the first. */
  readonly versions: readonly string[];
  readonly plural: string;
  /** Types, enums, patterns, unknown fields. Data in, faults out; all of them at once. */
  check(document: unknown): readonly Fault[];
  /** The semantic checks of the admission webhook; called only when `check` found nothing. */
  validate?(resource: Resource): readonly Fault[];
  /** Fields of this resource that not every runtime enforces. */
  notEnforced?(resource: Resource): readonly NotEnforced[];
  /** Admitted and analysed; nothing in this version acts on any of it, and status and analysis say so. */
  readonly unenforced?: string;
  /** Kinds that a mesh has no use for: admitted with a warning, kept, otherwise skipped. */
  readonly inert?: boolean;
}

export interface NotEnforced {
  readonly path: string;
  readonly reason: string;
  /** Who does enforce it. @default nobody: shown as condition NotEnforced */
  readonly only?: 'node';
}

/** A fault before it has its place. */
export interface Fault {
  readonly code: string;
  readonly level: 'error' | 'warning' | 'info';
  readonly path: string;
  readonly message: string;
  readonly remedy?: string;
}

export interface Admission {
  readonly resources: readonly AdmittedResource[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What compile makes for one proxy. */
export interface CompileResult {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  /** How both travel: manifests and parts, which have to be stored before anybody is told the versions. */
  readonly blobs: readonly Blob[];
  /** `Kind namespace/name` of what the snapshot was made from. */
  readonly resources: ReadonlySet<string>;
  /** JWKS URIs that the snapshot's policies refer to. */
  readonly jwksUris: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface CompileInput {
  readonly resources: readonly Resource[];
  readonly scope: ProxyScope;
  /** Of the authority, where the mesh keeps one. */
  readonly trust?: TrustSettings | undefined;
}
