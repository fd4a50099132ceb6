/** Login for browsers at run time. A request passes with a session that was opened and holds, or as the policy excepts it; every fault refuses. */
import { isPreflight } from '../../lib/preflight.ts';
import { linkPaths } from '../../lib/path-list.ts';
import type { WebOrigin } from '../../lib/origin.ts';
import { originOf, parseOrigin } from '../../lib/origin.ts';
import { headerSpellings } from '../../lib/sender-headers.ts';
import { TokenCache } from '../../lib/token-cache.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, FilterAnswer, LinkContext, PolicyFilter } from '../../model/policy.ts';
import { policyStep } from '../answers.ts';
import type { Outputs } from './claims.ts';
import { outputsOf } from './claims.ts';
import type { OidcConfig, RedirectPlace } from './config.ts';
import { Cookies } from './cookies.ts';
import { Logins } from './login.ts';
import { isNavigation, isOwnPost } from './navigation.ts';
import { Refreshes } from './refresh.ts';
import { redirect, refuse } from './replies.ts';
import { Sealer } from './seal.ts';
import type { Session } from './session.ts';
import { isSession } from './session.ts';
import type { Vault } from './vault.ts';
import { Vaults } from './vault.ts';

/** Tokens are renewed a little before they end. */
const EARLY_MS = 30_000;
/** How much a session's last use may be behind. */
const TOUCH_MS = 60_000;

interface Opened {
  readonly session: Session;
  readonly vault: Vault;
}

const NO_COOKIES: readonly string[] = [];

class OidcFilter implements Filter {
  readonly #config: OidcConfig;
  readonly #context: LinkContext;
  readonly #cookies: Cookies;
  readonly #sealer: Sealer;
  readonly #vaults: Vaults;
  readonly #logins: Logins;
  readonly #refreshes: Refreshes;
  readonly #places: ReadonlyMap<string, RedirectPlace>;
  readonly #isExcepted: (path: string) => boolean;
  /** Headers that no client may send. */
  readonly #cleaned: readonly string[];
  /** Sessions by their sealed text. */
  readonly #opened = new TokenCache<Opened>();
  readonly #outputs = new WeakMap<Session, Outputs | 'breaks'>();
  /** Ids of sessions that were ended here. */
  readonly #ended = new TokenCache<true>();

  constructor(config: OidcConfig, context: LinkContext) {
    if (context.secret === undefined) throw new Error('this proxy has no secrets');
    this.#config = config;
    this.#context = context;
    this.#cookies = new Cookies(config.cookieName);
    this.#sealer = new Sealer(context.host.random, ['session', config.policy, config.clientId]);
    this.#vaults = new Vaults(config, context);
    this.#logins = new Logins(config, context, this.#cookies, this.#sealer);
    this.#refreshes = new Refreshes(config, context, this.#logins);
    this.#places = new Map(
      config.redirects.map((place) => [hostOf(parseOrigin(place.origin)), place]),
    );
    this.#isExcepted = linkPaths(config.except);
    this.#cleaned = config.claimHeaders.flatMap(({ header }) => headerSpellings(header));
  }

  request(x: Exchange): FilterAnswer {
    for (const name of this.#cleaned) if (x.request.has(name)) x.request.remove(name);
    const fields = x.request.getAll('cookie');
    const place = this.#placeOf(x);
    if (place !== undefined && x.path === place.path) return this.#callback(x, place);
    if (place !== undefined && x.path === this.#config.logoutPath) return this.#logout(x, place);
    const sealed = this.#cookies.session(fields);
    if (sealed === undefined) return this.#stranger(x, fields);
    const opened = this.#opened.get(sealed);
    if (opened !== undefined && opened.vault === this.#vaults.known) return this.#judge(x, opened);
    return this.#open(sealed).then((fresh) =>
      fresh === undefined ? this.#stranger(x, fields) : this.#judge(x, fresh),
    );
  }

  /** Cookies of a session that was renewed. */
  response(x: Exchange): void {
    const cookies = x.slots[this.#context.slot] as readonly string[] | undefined;
    if (cookies === undefined || x.response === undefined) return;
    for (const cookie of cookies) x.response.add('set-cookie', cookie);
    // No shared cache may hand them to somebody else.
    x.response.set('cache-control', 'private, no-store');
  }

  /** What isn't HTTP can't log in. */
  connection(x: Exchange): boolean {
    x.details = 'oidc_login_required';
    return false;
  }

  #placeOf(x: Exchange): RedirectPlace | undefined {
    // The scheme is the policy's: TLS may have ended before this proxy.
    return (
      this.#places.get(hostOf(originOf('https', x.authority))) ??
      this.#places.get(hostOf(originOf('http', x.authority)))
    );
  }

  async #open(sealed: string): Promise<Opened | undefined> {
    const vault = await this.#vaults.read();
    if (vault === undefined) return undefined;
    const session = await this.#sealer.open(vault.keys, sealed);
    if (!isSession(session)) return undefined;
    const opened = { session, vault };
    this.#opened.set(sealed, opened);
    return opened;
  }

  #judge(x: Exchange, { session, vault }: Opened): FilterAnswer {
    const { maxAgeMs, idleMs } = this.#config;
    const nowMs = this.#context.host.clock.nowMs();
    const isOver =
      nowMs >= session.startMs + maxAgeMs ||
      (idleMs > 0 && nowMs >= session.seenMs + idleMs) ||
      this.#ended.get(session.id) !== undefined;
    if (isOver) return this.#stranger(x, x.request.getAll('cookie'));
    const { refreshToken } = session;
    if (refreshToken === undefined) {
      if (nowMs >= session.tokenEndMs) return this.#stranger(x, x.request.getAll('cookie'));
    } else if (nowMs >= session.tokenEndMs - EARLY_MS)
      return this.#renew(x, { session, vault }, refreshToken);
    const isTouched = idleMs > 0 && nowMs - session.seenMs >= Math.min(TOUCH_MS, idleMs / 4);
    return isTouched
      ? this.#rewrite(x, { session: { ...session, seenMs: nowMs }, vault })
      : this.#pass(x, session);
  }

  async #renew(
    x: Exchange,
    { session, vault }: Opened,
    refreshToken: string,
  ): Promise<LocalReply | undefined> {
    const renewed = await this.#refreshes.ask(session, refreshToken, vault);
    if ('session' in renewed) {
      if (this.#ended.get(session.id) !== undefined)
        return this.#stranger(x, x.request.getAll('cookie'));
      const seenMs = this.#context.host.clock.nowMs();
      return this.#rewrite(x, { session: { ...renewed.session, seenMs }, vault });
    }
    if (renewed.fault === 'ended') return this.#stranger(x, x.request.getAll('cookie'));
    // Until its tokens end it is what it was.
    if (this.#context.host.clock.nowMs() < session.tokenEndMs) return this.#pass(x, session);
    return this.#refuse(x, refuse(502, 'oidc_refresh_failed'));
  }

  /** Goes on, with the session anew in its cookie. */
  async #rewrite(x: Exchange, { session, vault }: Opened): Promise<LocalReply | undefined> {
    const leftMs = session.startMs + this.#config.maxAgeMs - session.seenMs;
    const sealed = await this.#sealer.seal(vault.keys, session);
    const written = this.#cookies.writeSession(
      x.request.getAll('cookie'),
      sealed,
      Math.ceil(leftMs / 1000),
    );
    if (written === undefined) return this.#refuse(x, refuse(500, 'oidc_session_too_large'));
    x.slots[this.#context.slot] = written;
    return this.#pass(x, session);
  }

  #pass(x: Exchange, session: Session): LocalReply | undefined {
    let outputs = this.#outputs.get(session);
    if (outputs === undefined) {
      outputs = outputsOf(this.#config, session);
      this.#outputs.set(session, outputs);
    }
    if (outputs === 'breaks') return this.#refuse(x, refuse(403, 'oidc_claim_breaks_header'));
    x.identity ??= outputs.identity;
    this.#hideCookies(x);
    for (const [name, value] of outputs.headers) x.request.set(name, value);
    this.#trace(x, 'passed', `session of ${outputs.identity.subject}`);
    return undefined;
  }

  #hideCookies(x: Exchange): void {
    const fields = x.request.getAll('cookie');
    if (fields.length === 0) return;
    const kept = this.#cookies.others(fields);
    if (kept === undefined) x.request.remove('cookie');
    else if (kept.length !== fields.join('; ').length) x.request.set('cookie', kept);
  }

  /** Without a session, or with one that is no more. */
  #stranger(x: Exchange, fields: readonly string[]): FilterAnswer {
    if (this.#isExcepted(x.path)) return this.#let(x, 'the path needs no login');
    if (this.#config.passesPreflight && isPreflight(x.method, x.request))
      return this.#let(x, 'asked beforehand');
    if (this.#config.passesIdentified && x.identity !== undefined)
      return this.#let(x, `known as ${x.identity.principal}`);
    const place = this.#placeOf(x);
    if (place === undefined) return this.#refuse(x, refuse(403, 'oidc_unknown_host'));
    const cleared = this.#cookies.hasSession(fields)
      ? this.#cookies.clearSession(fields)
      : NO_COOKIES;
    if (!isNavigation(x)) return this.#refuse(x, refuse(401, 'oidc_login_required', cleared));
    return this.#withVault(x, (vault) => this.#logins.begin(x, place, vault, cleared));
  }

  #let(x: Exchange, why: string): undefined {
    this.#hideCookies(x);
    this.#trace(x, 'passed', why);
  }

  #callback(x: Exchange, place: RedirectPlace): Promise<LocalReply> {
    return this.#withVault(x, (vault) => this.#logins.finish(x, place, vault));
  }

  async #withVault(
    x: Exchange,
    answer: (vault: Vault) => Promise<LocalReply>,
  ): Promise<LocalReply> {
    const vault = await this.#vaults.read();
    return this.#refuse(
      x,
      vault === undefined ? refuse(503, 'oidc_secret_missing') : await answer(vault),
    );
  }

  async #logout(x: Exchange, place: RedirectPlace): Promise<LocalReply> {
    if (x.method !== 'POST') return this.#refuse(x, refuse(405, 'oidc_logout_method'));
    if (!isOwnPost(x, place.origin)) return this.#refuse(x, refuse(403, 'oidc_logout_foreign'));
    const fields = x.request.getAll('cookie');
    const sealed = this.#cookies.session(fields);
    const session = sealed === undefined ? undefined : (await this.#open(sealed))?.session;
    if (session !== undefined) this.#ended.set(session.id, true);
    return redirect(303, this.#afterLogout(place, session), {
      cookies: this.#cookies.clearSession(fields),
      details: 'oidc_logout',
    });
  }

  /** The provider's session ends too, where it says how (OpenID Connect RP-Initiated Logout 1.0). */
  #afterLogout(place: RedirectPlace, session: Session | undefined): string {
    const { endSessionEndpoint, clientId, afterLogout } = this.#config;
    const own = place.origin + afterLogout;
    if (endSessionEndpoint === undefined) return own;
    const query = new URLSearchParams({
      client_id: clientId,
      post_logout_redirect_uri: own,
      ...(session?.idToken === undefined ? {} : { id_token_hint: session.idToken }),
    });
    return `${endSessionEndpoint}${endSessionEndpoint.includes('?') ? '&' : '?'}${query.toString()}`;
  }

  #refuse(x: Exchange, reply: LocalReply): LocalReply {
    x.decidedBy = this.#config.policy;
    this.#trace(x, 'denied', reply.details.replaceAll('_', ' '));
    return reply;
  }

  #trace(x: Exchange, outcome: 'passed' | 'denied', detail: string): void {
    x.trace?.push(policyStep(this.#config.policy, 'spec.oidc', outcome, detail));
  }
}

const hostOf = (origin: WebOrigin | undefined): string =>
  origin === undefined ? '' : `${origin.host}:${origin.port}`;

export const oidcFilter: PolicyFilter = {
  kind: 'oidc',
  phase: 'authn',
  link: (config, context) => new OidcFilter(config as OidcConfig, context),
};
