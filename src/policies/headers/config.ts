/** What headers' compile half hands to its filter. */

/** Names that stand alone. */
export type PlainName =
  | 'request.id'
  | 'request.method'
  | 'request.scheme'
  | 'request.host'
  | 'request.path'
  | 'request.query'
  | 'client.ip'
  | 'client.country'
  | 'source.principal'
  | 'jwt.issuer'
  | 'jwt.subject'
  | 'route.name'
  | 'trace.id'
  | 'response.status';

export type TemplateSource =
  | { readonly of: PlainName }
  | { readonly of: 'request.header' | 'response.header'; readonly name: string }
  | { readonly of: 'jwt.claims'; readonly path: readonly string[] };

/** Text as it stands, or a value of the request with what takes its place where there is none. */
export type TemplatePart = string | { readonly from: TemplateSource; readonly otherwise?: string };

export interface HeaderEdit {
  readonly name: string;
  readonly value: readonly TemplatePart[];
}

/** Names in lower case. */
export interface HeaderEdits {
  readonly remove: readonly string[];
  readonly set: readonly HeaderEdit[];
  readonly add: readonly HeaderEdit[];
}

export interface HeadersConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly request?: HeaderEdits;
  readonly response?: HeaderEdits;
}
