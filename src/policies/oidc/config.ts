/** What oidc's compile half hands to its filter. */

export interface RedirectPlace {
  readonly uri: string;
  /** `https://shop.test`, as browsers write it. */
  readonly origin: string;
  readonly path: string;
}

export interface OidcConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post' | 'none';
  /** `namespace/name` of the Secret with `client-secret` and `session-keys`. */
  readonly secret: string;
  readonly authorizationEndpoint: string;
  readonly endSessionEndpoint?: string;
  readonly token: {
    readonly cluster: string;
    readonly authority: string;
    readonly target: string;
    readonly needsTls: boolean;
  };
  /** Name of the issuer's key set. */
  readonly keySet: string;
  readonly algorithms: readonly string[];
  /** Separated by blanks. */
  readonly scope: string;
  /** Of the request for authorization, besides its own. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly redirects: readonly RedirectPlace[];
  readonly logoutPath: string;
  /** Where logout leads: a path of the same origin. */
  readonly afterLogout: string;
  readonly cookieName: string;
  readonly maxAgeMs: number;
  /** 0 = a session that nobody uses lives as long as any. */
  readonly idleMs: number;
  readonly claimHeaders: readonly { readonly header: string; readonly claim: string }[];
  readonly forwardsAccessToken: boolean;
  /** Paths as `src/lib/path-list.ts` reads them. */
  readonly except: readonly string[];
  /** Who is known by a token, a key or a password needs no login. */
  readonly passesIdentified: boolean;
  readonly passesPreflight: boolean;
  readonly timeoutMs: number;
}
