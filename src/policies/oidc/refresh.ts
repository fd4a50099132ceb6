/** New tokens for a session whose tokens have ended: asked for once, whoever waits. */
import { isSameSecret } from '../../lib/same-secret.ts';
import { TokenCache } from '../../lib/token-cache.ts';
import type { LinkContext } from '../../model/policy.ts';
import { keptClaims } from './claims.ts';
import type { OidcConfig } from './config.ts';
import type { Logins } from './login.ts';
import { sessionTokens } from './login.ts';
import type { Session } from './session.ts';
import { askTokens } from './tokens.ts';
import type { Vault } from './vault.ts';

/** Requests that a browser sent with the old cookie still come for a while. */
const KEPT_MS = 60_000;
/** A provider that fails isn't asked by every request. */
const PAUSE_MS = 5000;
const MAX_REFRESHES = 64;

/** `ended`: the provider won't; `failed`: it can't be asked now. */
export type Refreshed = { readonly session: Session } | { readonly fault: 'ended' | 'failed' };

interface Recent {
  readonly outcome: Refreshed;
  readonly untilMs: number;
}

export class Refreshes {
  readonly #config: OidcConfig;
  readonly #context: LinkContext;
  readonly #logins: Logins;
  readonly #running = new Map<string, Promise<Refreshed>>();
  /** By the refresh token that was spent. */
  readonly #recent = new TokenCache<Recent>();

  constructor(config: OidcConfig, context: LinkContext, logins: Logins) {
    this.#config = config;
    this.#context = context;
    this.#logins = logins;
  }

  ask(session: Session, refreshToken: string, vault: Vault): Promise<Refreshed> {
    const name = `${session.id}.${refreshToken}`;
    const recent = this.#recent.get(name);
    if (recent !== undefined && recent.untilMs > this.#context.host.clock.nowMs())
      return Promise.resolve(recent.outcome);
    const running = this.#running.get(name);
    if (running !== undefined) return running;
    if (this.#running.size >= MAX_REFRESHES) return Promise.resolve({ fault: 'failed' });
    const fresh = this.#refresh(session, refreshToken, vault)
      .then((outcome) => {
        const keptMs = 'fault' in outcome && outcome.fault === 'failed' ? PAUSE_MS : KEPT_MS;
        const untilMs = this.#context.host.clock.nowMs() + keptMs;
        this.#recent.set(name, { outcome, untilMs });
        return outcome;
      })
      .finally(() => this.#running.delete(name));
    this.#running.set(name, fresh);
    return fresh;
  }

  async #refresh(session: Session, refreshToken: string, vault: Vault): Promise<Refreshed> {
    const answer = await askTokens(this.#config, this.#context, {
      form: { grant_type: 'refresh_token', refresh_token: refreshToken },
      clientSecret: vault.clientSecret,
    });
    if ('fault' in answer) return { fault: answer.fault === 'refused' ? 'ended' : 'failed' };
    const { tokens } = answer;
    let { claims } = session;
    if (tokens.idToken !== undefined) {
      const verified = await this.#logins.verify({
        token: tokens.idToken,
        ...(tokens.accessToken === undefined ? {} : { accessToken: tokens.accessToken }),
      });
      // The same person, or nobody (OpenID Connect Core 1.0, 12.2).
      if ('fault' in verified || !isSameSecret(verified.claims.sub, String(claims['sub'])))
        return { fault: 'ended' };
      claims = keptClaims(verified.claims);
    }
    const { refreshToken: _old, accessToken: _access, ...kept } = session;
    const next = sessionTokens(this.#config, tokens, this.#context.host.clock.nowMs());
    return { session: { ...kept, refreshToken, ...next, claims } };
  }
}
