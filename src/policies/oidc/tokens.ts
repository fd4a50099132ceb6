/** Asks the provider's token endpoint, through the mesh (RFC 6749, 4.1.3 and 6). */
import { isFields } from '../../lib/fields.ts';
import type { LinkContext } from '../../model/policy.ts';
import type { OidcConfig } from './config.ts';

const MAX_ANSWER_BYTES = 262_144;
const MAX_TOKEN = 65_536;
/** Where the provider doesn't say. */
const DEFAULT_LIFE_S = 3600;
const MAX_LIFE_S = 31_536_000;

export interface Tokens {
  readonly idToken?: string;
  readonly accessToken?: string;
  readonly refreshToken?: string;
  readonly livesMs: number;
}

/** `refused`: the provider said no; `failed`: it couldn't be asked, or answers no tokens. */
export type TokensOutcome =
  | { readonly tokens: Tokens }
  | { readonly fault: 'refused' | 'failed'; readonly why: string };

export interface TokenRequest {
  readonly form: Readonly<Record<string, string>>;
  /** '' where the client has none. */
  readonly clientSecret: string;
}

const formText = (form: Readonly<Record<string, string>>): string =>
  new URLSearchParams(form).toString();

/** Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1). */
function basic(id: string, secret: string): string {
  const encoded = (text: string): string => formText({ '': text }).slice(1);
  return `Basic ${btoa(`${encoded(id)}:${encoded(secret)}`)}`;
}

const isToken = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_TOKEN && /^[\x21-\x7e]+$/.test(value);

function readTokens(body: Uint8Array): TokensOutcome {
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return { fault: 'failed', why: 'no_json' };
  }
  if (!isFields(given)) return { fault: 'failed', why: 'no_object' };
  const { id_token: idToken, access_token: accessToken, refresh_token: refreshToken } = given;
  for (const token of [idToken, accessToken, refreshToken])
    if (token !== undefined && token !== null && !isToken(token))
      return { fault: 'failed', why: 'no_token' };
  const type = given['token_type'];
  if (isToken(accessToken) && (typeof type !== 'string' || type.toLowerCase() !== 'bearer'))
    return { fault: 'failed', why: 'token_type' };
  const seconds = Number(given['expires_in'] ?? DEFAULT_LIFE_S);
  if (!Number.isFinite(seconds) || seconds <= 0) return { fault: 'failed', why: 'expires_in' };
  return {
    tokens: {
      ...(isToken(idToken) ? { idToken } : {}),
      ...(isToken(accessToken) ? { accessToken } : {}),
      ...(isToken(refreshToken) ? { refreshToken } : {}),
      livesMs: Math.min(seconds, MAX_LIFE_S) * 1000,
    },
  };
}

export async function askTokens(
  config: OidcConfig,
  context: LinkContext,
  { form, clientSecret }: TokenRequest,
): Promise<TokensOutcome> {
  const { token, clientId, clientAuthentication, timeoutMs } = config;
  const isBasic = clientAuthentication === 'client_secret_basic';
  const body = formText({
    ...form,
    ...(isBasic ? {} : { client_id: clientId }),
    ...(clientAuthentication === 'client_secret_post' ? { client_secret: clientSecret } : {}),
  });
  let answer;
  try {
    answer = await context.call(token.cluster, {
      method: 'POST',
      authority: token.authority,
      target: token.target,
      headers: [
        ['accept', 'application/json'],
        ['content-type', 'application/x-www-form-urlencoded'],
        ...(isBasic ? [['authorization', basic(clientId, clientSecret)] as const] : []),
      ],
      body: new TextEncoder().encode(body),
      timeoutMs,
      maxBodyBytes: MAX_ANSWER_BYTES,
      needsTls: token.needsTls,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    const message = 'a token endpoint can not be asked';
    context.host.log(JSON.stringify({ level: 'warning', message, policy: config.policy, reason }));
    return { fault: 'failed', why: 'unreachable' };
  }
  // A code or a refresh token that is none (RFC 6749, 5.2).
  if (answer.status === 400 || answer.status === 401)
    return { fault: 'refused', why: `status_${answer.status}` };
  if (answer.status !== 200) return { fault: 'failed', why: `status_${answer.status}` };
  return readTokens(answer.body);
}
