/** Login by authorization code with PKCE: leads to the provider, and takes what comes back from it. */
import { decodeBase64url, encodeBase64url } from '../../lib/base64url.ts';
import { sha256Hex } from '../../lib/hash.ts';
import { isSameSecret } from '../../lib/same-secret.ts';
import { TokenCache } from '../../lib/token-cache.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { LinkContext } from '../../model/policy.ts';
import { keptClaims, outputsOf } from './claims.ts';
import type { OidcConfig, RedirectPlace } from './config.ts';
import type { Cookies } from './cookies.ts';
import type { IdTokenInput, IdTokenOutcome } from './id-token.ts';
import { kidOf, verifyIdToken } from './id-token.ts';
import { redirect, refuse } from './replies.ts';
import { Sealer } from './seal.ts';
import type { Login, Session } from './session.ts';
import { isLogin } from './session.ts';
import type { Tokens } from './tokens.ts';
import { askTokens } from './tokens.ts';
import type { Vault } from './vault.ts';

const LOGIN_MS = 600_000;
const RANDOM_BYTES = 32;
const MAX_RETURN = 2048;
const MAX_QUERY = 8192;
const MAX_CODE = 4096;
/** Of random bytes in base64url. */
const STATE = /^[A-Za-z0-9_-]{43}$/;
/** Logins in a row that end well and leave no session: the browser keeps no cookie, or a clock is wrong. */
const MAX_IN_A_ROW = 8;
const ROW_MS = 60_000;
/** Codes that are being exchanged. */
const MAX_EXCHANGES = 64;

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** A name that stands twice could be read in two ways. */
function readQuery(query: string): ReadonlyMap<string, string> | undefined {
  if (query.length > MAX_QUERY) return undefined;
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (found.has(name)) return undefined;
    found.set(name, value);
  }
  return found;
}

export class Logins {
  readonly #config: OidcConfig;
  readonly #context: LinkContext;
  readonly #cookies: Cookies;
  readonly #sealer: Sealer;
  readonly #sessionSealer: Sealer;
  /** States that came back: none does twice. */
  readonly #used = new TokenCache<true>();
  #exchanges = 0;

  constructor(config: OidcConfig, context: LinkContext, cookies: Cookies, sessionSealer: Sealer) {
    this.#config = config;
    this.#context = context;
    this.#cookies = cookies;
    this.#sessionSealer = sessionSealer;
    this.#sealer = new Sealer(context.host.random, ['login', config.policy, config.clientId]);
  }

  /** To the provider; `cleared` are cookies of a session that is no more. */
  async begin(
    x: Exchange,
    place: RedirectPlace,
    vault: Vault,
    cleared: readonly string[],
  ): Promise<LocalReply> {
    const { clock } = this.#context.host;
    const fields = x.request.getAll('cookie');
    if (this.#cookies.logins(fields, clock.nowMs()) >= MAX_IN_A_ROW)
      return refuse(403, 'oidc_login_loop', cleared);
    const returnTo = x.path + x.query;
    const login: Login = {
      state: this.#draw(),
      nonce: this.#draw(),
      verifier: this.#draw(),
      returnTo: returnTo.length > MAX_RETURN ? '/' : returnTo,
      redirectUri: place.uri,
      endMs: clock.nowMs() + LOGIN_MS,
    };
    const sealed = await this.#sealer.seal(vault.keys, login);
    const { state } = login;
    const written = this.#cookies.writeLogin(fields, { state, sealed, maxAgeS: LOGIN_MS / 1000 });
    return redirect(302, this.#authorizationUrl(login), {
      cookies: [...cleared, ...written],
      details: 'oidc_login',
    });
  }

  /** From the provider. */
  async finish(x: Exchange, place: RedirectPlace, vault: Vault): Promise<LocalReply> {
    const query = readQuery(x.query);
    const state = query?.get('state') ?? '';
    if (x.method !== 'GET' || query === undefined || !STATE.test(state))
      return refuse(400, 'oidc_callback_malformed');
    const sealed = this.#cookies.login(x.request.getAll('cookie'), state);
    const opened = sealed === undefined ? undefined : await this.#sealer.open(vault.keys, sealed);
    const gone = sealed === undefined ? [] : [this.#cookies.clearLogin(state)];
    if (!isLogin(opened) || !isSameSecret(opened.state, state))
      return refuse(400, 'oidc_state_unknown', gone);
    if (opened.redirectUri !== place.uri) return refuse(400, 'oidc_state_elsewhere', gone);
    if (opened.endMs <= this.#context.host.clock.nowMs())
      return refuse(400, 'oidc_state_expired', gone);
    if (this.#used.get(state) !== undefined) return refuse(400, 'oidc_state_used', gone);
    this.#used.set(state, true);
    const issuer = query.get('iss');
    if (issuer !== undefined && issuer !== this.#config.issuer)
      return refuse(403, 'oidc_other_issuer', gone);
    const error = query.get('error');
    if (error !== undefined) {
      const named = /^[a-z_]{1,40}$/.test(error) ? error : 'unknown';
      return refuse(403, `oidc_provider_refused[${named}]`, gone);
    }
    const code = query.get('code') ?? '';
    if (code === '' || code.length > MAX_CODE) return refuse(400, 'oidc_callback_malformed', gone);
    return this.#exchange(x, place, { vault, login: opened, code, gone });
  }

  /** Fresher keys are asked for where none fits. */
  async verify(input: Omit<IdTokenInput, 'config' | 'keys' | 'nowMs'>): Promise<IdTokenOutcome> {
    const { keySet } = this.#config;
    const verified = await this.#verifyOnce(input);
    if (!('fault' in verified) || !['no_key', 'signature'].includes(verified.fault))
      return verified;
    await this.#context.refreshKeys(keySet, kidOf(input.token));
    return this.#verifyOnce(input);
  }

  #verifyOnce(input: Omit<IdTokenInput, 'config' | 'keys' | 'nowMs'>): Promise<IdTokenOutcome> {
    const { keySet } = this.#config;
    return verifyIdToken({
      ...input,
      config: this.#config,
      keys: this.#context.keys(keySet)?.keys ?? [],
      nowMs: this.#context.host.clock.nowMs(),
    });
  }

  async #exchange(
    x: Exchange,
    place: RedirectPlace,
    { vault, login, code, gone }: Coming,
  ): Promise<LocalReply> {
    if (this.#exchanges >= MAX_EXCHANGES) return refuse(503, 'oidc_busy', gone);
    this.#exchanges++;
    try {
      const answer = await askTokens(this.#config, this.#context, {
        form: {
          grant_type: 'authorization_code',
          code,
          redirect_uri: place.uri,
          code_verifier: login.verifier,
        },
        clientSecret: vault.clientSecret,
      });
      if ('fault' in answer)
        return refuse(
          answer.fault === 'refused' ? 403 : 502,
          `oidc_tokens_${answer.fault}[${answer.why}]`,
          gone,
        );
      const { idToken = '', accessToken } = answer.tokens;
      const verified = await this.verify({
        token: idToken,
        nonce: login.nonce,
        ...(accessToken === undefined ? {} : { accessToken }),
      });
      if ('fault' in verified) return refuse(403, `oidc_id_token[${verified.fault}]`, gone);
      return await this.#welcome(x, place, {
        session: this.#sessionOf(answer.tokens, verified.claims),
        vault,
        returnTo: login.returnTo,
        gone,
      });
    } finally {
      this.#exchanges--;
    }
  }

  async #welcome(
    x: Exchange,
    place: RedirectPlace,
    { session, vault, returnTo, gone }: Welcomed,
  ): Promise<LocalReply> {
    const { maxAgeMs } = this.#config;
    if (outputsOf(this.#config, session) === 'breaks')
      return refuse(403, 'oidc_claim_breaks_header', gone);
    const fields = x.request.getAll('cookie');
    const nowMs = this.#context.host.clock.nowMs();
    const sealed = await this.#sessionSealer.seal(vault.keys, session);
    const written = this.#cookies.writeSession(fields, sealed, Math.ceil(maxAgeMs / 1000));
    if (written === undefined) return refuse(500, 'oidc_session_too_large', gone);
    const row = this.#cookies.logins(fields, nowMs) + 1;
    // The origin is the policy's: a path like //other.test is no other host's.
    return redirect(302, place.origin + returnTo, {
      cookies: [...written, ...gone, this.#cookies.writeLogins(row, nowMs + ROW_MS, nowMs)],
      details: 'oidc_logged_in',
    });
  }

  #sessionOf(tokens: Tokens, claims: Readonly<Record<string, unknown>>): Session {
    const nowMs = this.#context.host.clock.nowMs();
    return {
      id: this.#draw(),
      startMs: nowMs,
      seenMs: nowMs,
      ...sessionTokens(this.#config, tokens, nowMs),
      claims: keptClaims(claims),
    };
  }

  #authorizationUrl({ state, nonce, verifier, redirectUri }: Login): string {
    const { authorizationEndpoint, clientId, scope, parameters } = this.#config;
    const query = new URLSearchParams([
      ...parameters.map(([name, value]) => [name, value]),
      ['response_type', 'code'],
      ['client_id', clientId],
      ['redirect_uri', redirectUri],
      ['scope', scope],
      ['state', state],
      ['nonce', nonce],
      ['code_challenge', encodeBase64url(bytesOf(sha256Hex(verifier)))],
      ['code_challenge_method', 'S256'],
    ]).toString();
    return `${authorizationEndpoint}${authorizationEndpoint.includes('?') ? '&' : '?'}${query}`;
  }

  #draw(): string {
    return encodeBase64url(bytesOf(this.#context.host.random.hex(RANDOM_BYTES)));
  }
}

interface Coming {
  readonly vault: Vault;
  readonly login: Login;
  readonly code: string;
  /** The login's cookie ends, whatever comes of it. */
  readonly gone: readonly string[];
}

interface Welcomed {
  readonly session: Session;
  readonly vault: Vault;
  readonly returnTo: string;
  readonly gone: readonly string[];
}

/** When a verified ID token ends. */
function endOf(idToken: string, otherwise: number): number {
  const bytes = decodeBase64url(idToken.split('.')[1] ?? '') ?? new Uint8Array(0);
  const { exp } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly exp?: number };
  return exp === undefined ? otherwise : exp * 1000;
}

/** The tokens as a session holds them: what nobody asks for isn't kept. */
export function sessionTokens(
  config: OidcConfig,
  { idToken, accessToken, refreshToken, livesMs }: Tokens,
  nowMs: number,
): Pick<Session, 'tokenEndMs' | 'refreshToken' | 'accessToken' | 'idToken'> {
  const isKept = config.forwardsAccessToken && accessToken !== undefined;
  return {
    tokenEndMs:
      accessToken === undefined && idToken !== undefined
        ? endOf(idToken, nowMs + livesMs)
        : nowMs + livesMs,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(isKept ? { accessToken } : {}),
    ...(config.endSessionEndpoint === undefined || idToken === undefined ? {} : { idToken }),
  };
}
