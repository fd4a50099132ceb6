/** What resources of every API have. */
export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** RFC 3339; absent in files: equally old. */
  readonly creationTimestamp?: string;
  readonly generation?: number;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** An admitted resource. `group` is '' for core. */
export interface Resource<Spec = unknown> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
  /** As it was given, for analysis; the mesh writes its own and never reads this one. */
  readonly status?: unknown;
  /** Secret and ConfigMap: decoded text by key. */
  readonly data?: Readonly<Record<string, string>>;
}

export type LabelSelector = { readonly matchLabels?: Readonly<Record<string, string>> };

export type Labels = Readonly<Record<string, string>>;

/** What a policy may name by targetRef. */
export interface TargetRef {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}
