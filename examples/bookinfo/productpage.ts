/** The page of Bookinfo: asks details and reviews through its own outbound gateway. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer, RunningService, ServiceOptions } from './http.ts';
import { callService, contextOf, sendJson, startService } from './http.ts';
import { renderPage } from './page.ts';
import type { Book } from './page.ts';

const REVIEWS_TIMEOUT_MS = 3000;
const MAX_FORM_BYTES = 4096;
const MAX_SESSIONS = 1000;
const PRODUCT = {
  id: 0,
  title: 'The Comedy of Errors',
  descriptionHtml: 'A play by William Shakespeare',
};

function sessionOf(request: IncomingMessage): string {
  return /(?:^|;\s*)session=([-0-9a-f]{36})/.exec(request.headers.cookie ?? '')?.[1] ?? '';
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_FORM_BYTES) return new URLSearchParams();
    chunks.push(chunk as Buffer);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

class ProductPage {
  readonly #sessions = new Map<string, string>();
  readonly #options: ServiceOptions;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const user = this.#sessions.get(sessionOf(request));
    switch (path) {
      case '/health':
        return sendJson(response, 200, { status: 'productpage is healthy' });
      case '/':
      case '/productpage':
        return this.#page(request, response, user);
      case '/login':
        return this.#login(request, response);
      case '/logout':
        this.#sessions.delete(sessionOf(request));
        return redirect(response, 'session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax');
      case '/api/v1/products':
        return sendJson(response, 200, [PRODUCT]);
      case '/api/v1/products/0':
        return proxy(response, await this.#call(request, 'details', user));
      case '/api/v1/products/0/reviews':
        return proxy(response, await this.#call(request, 'reviews', user));
      case '/api/v1/products/0/ratings':
        return proxy(response, await this.#call(request, 'ratings', user));
      default:
        return sendJson(response, 404, { error: 'not found' });
    }
  }

  #call(request: IncomingMessage, service: string, user: string | undefined): Promise<Answer> {
    const { 'end-user': _claimed, cookie: _cookie, ...context } = contextOf(request.headers);
    return callService({
      base: this.#options.outbound?.(),
      authority: `${service}:9080`,
      path: `/${service}/0`,
      headers: { ...context, ...(user === undefined ? {} : { 'end-user': user }) },
      timeoutMs: REVIEWS_TIMEOUT_MS,
    });
  }

  async #page(
    request: IncomingMessage,
    response: ServerResponse,
    user: string | undefined,
  ): Promise<void> {
    const reviewsOnce = (): Promise<Answer> => this.#call(request, 'reviews', user);
    const [details, first] = await Promise.all([
      this.#call(request, 'details', user),
      reviewsOnce(),
    ]);
    const reviews = first.status === 200 ? first : await reviewsOnce();
    const book: Book = {
      title: PRODUCT.title,
      user,
      details: details.status === 200 ? (JSON.parse(details.body) as Book['details']) : undefined,
      reviews: reviews.status === 200 ? (JSON.parse(reviews.body) as Book['reviews']) : undefined,
    };
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(renderPage(book));
  }

  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const user = request.method === 'POST' ? ((await readForm(request)).get('username') ?? '') : '';
    if (!/^[-\w.@]{1,64}$/.test(user))
      return sendJson(response, 400, { error: 'a user name is required' });
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear();
    const session = randomUUID();
    this.#sessions.set(session, user);
    return redirect(response, `session=${session}; Path=/; HttpOnly; SameSite=Lax`);
  }
}

function redirect(response: ServerResponse, cookie: string): void {
  response.writeHead(302, { location: '/productpage', 'set-cookie': cookie });
  response.end();
}

function proxy(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status === 0 ? 503 : answer.status, {
    'content-type': 'application/json',
  });
  response.end(answer.body);
}

export function startProductpage(options: ServiceOptions): Promise<RunningService> {
  const page = new ProductPage(options);
  return startService('productpage', options, (request, response) =>
    page.handle(request, response),
  );
}
