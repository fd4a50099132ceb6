/** The part as its schema admits it. */
export interface OidcPart {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientAuthentication?: 'client_secret_basic' | 'client_secret_post' | 'none';
  readonly secretName: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: {
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly plaintext?: boolean;
  };
  readonly endSessionEndpoint?: string;
  readonly jwksUri?: string;
  readonly algorithms?: readonly string[];
  readonly scopes?: readonly string[];
  readonly parameters?: Readonly<Record<string, string>>;
  readonly redirectUris: readonly string[];
  readonly logout?: { readonly path?: string; readonly redirect?: string };
  readonly session?: {
    readonly cookieName?: string;
    readonly maxAge?: string;
    readonly idleTimeout?: string;
  };
  readonly claimHeaders?: readonly { readonly header: string; readonly claim: string }[];
  readonly forwardAccessToken?: boolean;
  readonly except?: readonly string[];
  readonly passIdentified?: boolean;
  readonly allowPreflight?: boolean;
  readonly timeout?: string;
}
