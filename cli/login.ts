/** How a person comes by an ID token: a browser on this machine (code with PKCE, RFC 8252), or any other device (RFC 8628). */
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from './errors.ts';

export interface LoginSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
}

interface Discovery {
  readonly issuer: string;
  readonly authorization_endpoint?: string;
  readonly token_endpoint?: string;
  readonly device_authorization_endpoint?: string;
}

/** Told to the person; goes to stderr. */
export type Say = (text: string) => void;

const PATIENCE_MS = 5 * 60_000;
const ANSWER_TIMEOUT_MS = 10_000;
const DONE = 'You are logged in: this page can be closed.';
const SLOWER_SECONDS = 5;

async function ask(
  url: string,
  form?: Readonly<Record<string, string>>,
): Promise<{ readonly isOk: boolean; readonly body: Readonly<Record<string, unknown>> }> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    redirect: 'error',
    headers: { accept: 'application/json' },
    ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
  }).catch(() => {
    throw new CommandError(`the issuer does not answer at ${new URL(url).origin}`);
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (typeof body !== 'object' || body === null)
    throw new CommandError(`the issuer's answer at ${url} is no JSON (HTTP ${response.status})`);
  return { isOk: response.ok, body: body as Readonly<Record<string, unknown>> };
}

async function discover(issuer: string): Promise<Discovery> {
  const { body } = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (body['issuer'] !== issuer)
    throw new CommandError(`the discovery document at ${issuer} is of another issuer`);
  return body as unknown as Discovery;
}

function endpoint(document: Discovery, name: keyof Discovery): string {
  const url = document[name];
  if (url === undefined || !URL.canParse(url))
    throw new CommandError(`the issuer ${document.issuer} has no ${name}`);
  return url;
}

const random = (): string => randomBytes(32).toString('base64url');

function idTokenOf(body: Readonly<Record<string, unknown>>, nonce?: string): string {
  const token = body['id_token'];
  if (typeof token !== 'string') throw new CommandError('the issuer gave no ID token');
  if (nonce === undefined) return token;
  // The control plane verifies the token; that it answers this login only this end can tell.
  const payload = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8') || '{}',
  ) as { readonly nonce?: unknown };
  if (payload.nonce !== nonce) throw new CommandError('the ID token is of another login (nonce)');
  return token;
}

interface Listener {
  readonly redirect: string;
  readonly code: Promise<string>;
  close(): void;
}

/** Waits for the one redirect that has the state. */
async function listen(state: string): Promise<Listener> {
  let settle: { resolve(code: string): void; reject(error: Error): void } | undefined;
  const code = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const found = url.searchParams.get('code');
    const error = url.searchParams.get('error');
    if (url.pathname !== '/callback' || url.searchParams.get('state') !== state) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
    response.end(error === null ? DONE : 'The login failed: see the terminal.');
    if (found !== null && error === null) settle?.resolve(found);
    else settle?.reject(new CommandError(`the issuer refused: ${error ?? 'no code'}`));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const timer = setTimeout(
    () => settle?.reject(new CommandError('nobody logged in within five minutes')),
    PATIENCE_MS,
  );
  return {
    redirect: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    code,
    close() {
      clearTimeout(timer);
      server.closeAllConnections();
      server.close();
    },
  };
}

export async function loginByBrowser(settings: LoginSettings, say: Say): Promise<string> {
  const document = await discover(settings.issuer);
  const [state, nonce, verifier] = [random(), random(), random()];
  const listener = await listen(state);
  try {
    const url = new URL(endpoint(document, 'authorization_endpoint'));
    const wanted = {
      response_type: 'code',
      client_id: settings.clientId,
      redirect_uri: listener.redirect,
      scope: settings.scopes.join(' '),
      state,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(wanted)) url.searchParams.set(name, value);
    say(`open in a browser on this machine:\n${url.href}`);
    const { isOk, body } = await ask(endpoint(document, 'token_endpoint'), {
      grant_type: 'authorization_code',
      code: await listener.code,
      redirect_uri: listener.redirect,
      client_id: settings.clientId,
      code_verifier: verifier,
    });
    if (!isOk) throw new CommandError(`the issuer refused: ${String(body['error'])}`);
    return idTokenOf(body, nonce);
  } finally {
    listener.close();
  }
}

export async function loginByDevice(settings: LoginSettings, say: Say): Promise<string> {
  const document = await discover(settings.issuer);
  const started = await ask(endpoint(document, 'device_authorization_endpoint'), {
    client_id: settings.clientId,
    scope: settings.scopes.join(' '),
  });
  const { device_code: device, user_code: user, verification_uri: where } = started.body;
  if (!started.isOk || typeof device !== 'string')
    throw new CommandError(`the issuer refused: ${String(started.body['error'])}`);
  say(`open ${String(where)} on any device and give the code ${String(user)}`);
  let seconds = Number(started.body['interval'] ?? SLOWER_SECONDS);
  const lastsMs = Math.min(PATIENCE_MS, Number(started.body['expires_in'] ?? 300) * 1000);
  for (const untilMs = Date.now() + lastsMs; Date.now() < untilMs;) {
    await sleep(seconds * 1000);
    const { isOk, body } = await ask(endpoint(document, 'token_endpoint'), {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: device,
      client_id: settings.clientId,
    });
    if (isOk) return idTokenOf(body);
    if (body['error'] === 'slow_down') seconds += SLOWER_SECONDS;
    else if (body['error'] !== 'authorization_pending')
      throw new CommandError(`the issuer refused: ${String(body['error'])}`);
  }
  throw new CommandError('nobody logged in while the code held');
}
