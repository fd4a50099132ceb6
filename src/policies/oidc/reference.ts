import type { PartField, PartRefusal } from '../../model/policy.ts';

export const oidcFields: readonly PartField[] = [
  {
    path: 'issuer',
    type: 'URL',
    meaning: 'of the provider, exactly as its tokens name it (`iss`)',
  },
  { path: 'clientId', type: 'text', meaning: 'under which the provider knows the site' },
  {
    path: 'clientAuthentication',
    type: '`client_secret_basic`, `client_secret_post` or `none`',
    meaning: 'how the site proves itself at the token endpoint; `none` for a public client',
    default: '`client_secret_basic`',
  },
  {
    path: 'secretName',
    type: 'text',
    meaning: 'a Secret of the same namespace with `session-keys`, and `client-secret`',
  },
  { path: 'authorizationEndpoint', type: 'URL', meaning: 'where browsers are led to log in' },
  {
    path: 'tokenEndpoint',
    type: 'object',
    meaning: 'where proxies ask for tokens, through the mesh',
  },
  {
    path: 'tokenEndpoint.host',
    type: 'host',
    meaning: 'a service of the mesh: a Service, or a ServiceEntry for a provider outside',
  },
  { path: 'tokenEndpoint.port', type: 'integer', meaning: 'of the service' },
  { path: 'tokenEndpoint.path', type: 'text', meaning: 'path of the token endpoint' },
  {
    path: 'tokenEndpoint.plaintext',
    type: 'boolean',
    meaning: 'the mesh may speak to it without TLS',
    default: 'false: without TLS nothing is sent, the login fails',
  },
  {
    path: 'endSessionEndpoint',
    type: 'URL',
    meaning: 'where logout leads, so that the provider’s session ends too',
    default: 'only the site’s own session ends',
  },
  {
    path: 'jwksUri',
    type: 'URL',
    meaning: 'the provider’s keys, which the control plane fetches',
    default: 'as the issuer’s discovery document says',
  },
  {
    path: 'algorithms',
    type: 'list of text',
    meaning: 'that ID tokens may be signed with',
    default: '`RS256`, `PS256`, `ES256`, `ES384`, `EdDSA`',
  },
  {
    path: 'scopes',
    type: 'list of text',
    meaning: 'asked for besides `openid`; many providers give a refresh token for `offline_access`',
    default: 'none',
  },
  {
    path: 'parameters',
    type: 'map of text',
    meaning: 'further parameters of the request for authorization, as `prompt` or `audience`',
    default: 'none',
  },
  {
    path: 'redirectUris',
    type: 'list of URLs',
    meaning: 'where the provider leads back, one a host: scheme, host, port and path are exact',
  },
  { path: 'logout', type: 'object', meaning: 'how one logs out', default: 'as its fields say' },
  {
    path: 'logout.path',
    type: 'path',
    meaning: 'a POST to it ends the session',
    default: '`/oauth2/logout`',
  },
  {
    path: 'logout.redirect',
    type: 'path',
    meaning: 'of the page that is shown then, on the same host',
    default: '`/`',
  },
  {
    path: 'session',
    type: 'object',
    meaning: 'how long one stays logged in',
    default: 'as its fields say',
  },
  {
    path: 'session.cookieName',
    type: 'text',
    meaning: 'begins with `__Host-`',
    default: '`__Host-lateen-session`',
  },
  {
    path: 'session.maxAge',
    type: 'duration',
    meaning: 'after which one logs in again, used or not; 1m to 720h',
    default: '8h',
  },
  {
    path: 'session.idleTimeout',
    type: 'duration',
    meaning: 'without a request after which one logs in again; 1m to 720h, 0s for never',
    default: '1h',
  },
  {
    path: 'claimHeaders',
    type: 'list of headers',
    meaning: 'tell the backend of the person; no client can say them, in any spelling',
    default: 'none',
  },
  { path: 'claimHeaders[].header', type: 'header name', meaning: 'in any case' },
  {
    path: 'claimHeaders[].claim',
    type: 'text',
    meaning: 'of the ID token, nested ones with dots: texts, numbers, booleans, lists of these',
  },
  {
    path: 'forwardAccessToken',
    type: 'boolean',
    meaning: 'the backend gets the access token as `Authorization: Bearer`',
    default: 'false: the session doesn’t even hold it',
  },
  {
    path: 'except',
    type: 'list of paths',
    meaning:
      'need no login: `/healthz` itself, `/static/*` with what is below, `*.css`; every reading of the path must be listed',
    default: 'none',
  },
  {
    path: 'passIdentified',
    type: 'boolean',
    meaning: 'whom a token, an API key or a password has proven needs no login',
    default: 'false',
  },
  {
    path: 'allowPreflight',
    type: 'boolean',
    meaning:
      'what a browser asks beforehand (CORS) passes, which sends nothing of who asks: have a corsPolicy answer it',
    default: 'false: it is refused',
  },
  {
    path: 'timeout',
    type: 'duration',
    meaning: 'of a request to the token endpoint; 100ms to 1m',
    default: '10s',
  },
];

export const oidcNotes: string = `A page that a person opens without a session leads to the provider (authorization code with PKCE, S256) and from there back to the same page. Everything else without a session gets 401: a page's own requests (\`Sec-Fetch-Mode\` other than navigate, or no \`text/html\` in Accept), other methods than GET, frames.

**Secret.** \`session-keys\` has lines of \`<id>:<32 bytes in base64>\` (\`openssl rand -base64 32\`). The first one seals, all of them open: to rotate, put a new line before the others, and take the old one away once \`session.maxAge\` is over. \`client-secret\` is the provider's. Gateway workers have both from their own secret \`LATEEN_SECRETS\`, JSON by \`namespace/name\` and entry; Node proxies by the channel of secrets.

**Provider.** Its endpoints stand here, so that both planes work without asking anybody first; keys are the control plane's to fetch, as they are for RequestAuthentication. The token endpoint is reached through the mesh as any service is: declare it (a ServiceEntry with \`resolution: DNS\`), and let the mesh speak TLS to it (a DestinationRule with \`tls: {mode: SIMPLE}\`); nothing else opens a way out.

**Session.** It lies in the browser's cookie, sealed with AES-256-GCM, HttpOnly, Secure, SameSite=Lax, bound to its host by \`__Host-\`, in up to four pieces where it outgrows 4 KiB. It holds the claims of the ID token, the refresh token, and an access or ID token only where something here needs it. With a refresh token, tokens are renewed a little before they end, once for all requests of a session that come at the same time; without one the session ends with its tokens. A session ends for good at \`maxAge\`. The backend never sees these cookies.

**Login.** State, nonce and verifier lie in a sealed cookie of ten minutes, one a login, at most four at a time. The state comes back once, in the browser that was given it, at the URI that it was made for. ID tokens are held against issuer, audience, authorized party, times, nonce, algorithm and the provider's keys, and against the access token where they name its hash. Every fault refuses the login, and none leads to the provider again by itself; eight logins in a minute that leave no session end in 403.

**Logout.** A POST of a page of the same origin to \`logout.path\` ends the session here, and leads on to \`endSessionEndpoint\` with \`post_logout_redirect_uri\`. Sessions are kept by browsers alone: a copy of a cookie that somebody took before ends at the proxy that was asked to end it, and elsewhere with its tokens; keep \`maxAge\` short where that matters.

**Who asks.** The person is the request's principal, \`<issuer>/<sub>\`, with the claims of the ID token, unless a token has said who asks: \`requestPrincipals\` and \`request.auth.claims[…]\` of AuthorizationPolicy name them. The part runs before AuthorizationPolicy, by the route that the request takes as it came. In headers, what isn't ASCII is percent-encoded; a claim with a control character refuses the login.

Connections that carry something other than HTTP are closed: give such ports a Policy of their own (\`sectionName\`).`;

const login = 'login failed';

export const oidcRefusals: readonly PartRefusal[] = [
  {
    when: 'there is no session, and it is no page that is opened',
    status: 401,
    body: 'login required',
    details: 'oidc_login_required',
  },
  {
    when: 'the host has no redirect URI',
    status: 403,
    body: 'login refused',
    details: 'oidc_unknown_host',
  },
  {
    when: 'eight logins in a minute left no session',
    status: 403,
    body: 'login refused',
    details: 'oidc_login_loop',
  },
  {
    when: 'what comes back has no state or code that can be read, or repeats one',
    status: 400,
    body: login,
    details: 'oidc_callback_malformed',
  },
  {
    when: 'the state isn’t this browser’s; of another host; too old; was used',
    status: 400,
    body: login,
    details: 'oidc_state_unknown; oidc_state_elsewhere; oidc_state_expired; oidc_state_used',
  },
  {
    when: 'the provider refuses; another one answers',
    status: 403,
    body: 'login refused',
    details: 'oidc_provider_refused[error]; oidc_other_issuer',
  },
  {
    when: 'the provider takes the code for none',
    status: 403,
    body: 'login refused',
    details: 'oidc_tokens_refused[status_400]',
  },
  {
    when: 'the token endpoint can’t be asked, or answers no tokens',
    status: 502,
    body: login,
    details: 'oidc_tokens_failed[reason]',
  },
  {
    when: 'the ID token doesn’t hold',
    status: 403,
    body: 'login refused',
    details: 'oidc_id_token[reason]',
  },
  {
    when: 'a claim would end its header',
    status: 403,
    body: 'login refused',
    details: 'oidc_claim_breaks_header',
  },
  {
    when: 'the session doesn’t fit into cookies',
    status: 500,
    body: login,
    details: 'oidc_session_too_large',
  },
  {
    when: 'tokens have ended and can’t be renewed now',
    status: 502,
    body: login,
    details: 'oidc_refresh_failed',
  },
  {
    when: 'the Secret isn’t there or can’t be used; too many logins at once',
    status: 503,
    body: 'login unavailable',
    details: 'oidc_secret_missing; oidc_busy',
  },
  {
    when: 'logout by another method than POST',
    status: 405,
    body: 'method not allowed',
    details: 'oidc_logout_method',
  },
  {
    when: 'logout by a page of another origin',
    status: 403,
    body: 'login refused',
    details: 'oidc_logout_foreign',
  },
];
