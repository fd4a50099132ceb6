/** The services of Bookinfo over real HTTP, with a stand-in for the outbound gateway that goes by Host. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Bookinfo } from './bookinfo.ts';
import { startBookinfo, workloadName } from './bookinfo.ts';

interface Seen {
  readonly host: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

let bookinfo: Bookinfo;
let gateway: Server;
const seen: Seen[] = [];
/** Answers instead of the service, by authority; used up in order. */
const instead = new Map<string, ((response: ServerResponse) => void)[]>();
/** Which version stands behind an authority. */
const behind = new Map([
  ['details:9080', 'details-v1'],
  ['reviews:9080', 'reviews-v2'],
  ['ratings:9080', 'ratings-v1'],
]);

function urlOf(workload: string): string {
  const found = bookinfo.services.find((service) => workloadName(service) === workload);
  return `http://127.0.0.1:${found?.port ?? 0}`;
}

beforeAll(async () => {
  bookinfo = await startBookinfo();
  gateway = createServer((request, response) => {
    const { host = '' } = request.headers;
    seen.push({ host, path: request.url ?? '', headers: request.headers });
    const answer = instead.get(host)?.shift();
    if (answer !== undefined) return answer(response);
    const { host: _host, connection: _connection, ...headers } = request.headers;
    void fetch(urlOf(behind.get(host) ?? '') + (request.url ?? ''), {
      headers: headers as Record<string, string>,
    }).then(async (upstream) => {
      response.writeHead(upstream.status);
      response.end(await upstream.text());
    });
  });
  await new Promise<void>((resolve) => {
    gateway.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  bookinfo.setOutbound(
    Object.fromEntries(bookinfo.services.map((service) => [workloadName(service), url])),
  );
});

afterEach(() => {
  seen.length = 0;
  instead.clear();
  behind.set('reviews:9080', 'reviews-v2');
});

afterAll(async () => {
  gateway.closeAllConnections();
  gateway.close();
  await bookinfo.close();
});

const fails =
  (status: number) =>
  (response: ServerResponse): void => {
    response.writeHead(status);
    response.end('{}');
  };

const page = async (headers: Readonly<Record<string, string>> = {}): Promise<string> =>
  (await fetch(`${urlOf('productpage-v1')}/productpage`, { headers })).text();

async function signIn(username: string): Promise<{ status: number; cookie: string }> {
  const response = await fetch(`${urlOf('productpage-v1')}/login`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ username }),
  });
  await response.text();
  return {
    status: response.status,
    cookie: response.headers.get('set-cookie')?.split(';')[0] ?? '',
  };
}

describe('productpage', () => {
  it('shows details and the reviews of whichever version answered', async () => {
    const stars: string[] = [];
    for (const version of ['v1', 'v2', 'v3']) {
      behind.set('reviews:9080', `reviews-${version}`);
      const text = await page();
      expect(text).toContain('William Shakespeare');
      expect(text).toContain(`Reviews served by: reviews-${version}`);
      stars.push(/class="(black|red)"/.exec(text)?.[1] ?? 'none');
    }
    expect(stars).toEqual(['none', 'black', 'red']);
  });

  it('calls services by the names of the mesh', async () => {
    await page();
    expect(new Set(seen.map(({ host, path }) => `${host}${path}`))).toEqual(
      new Set(['details:9080/details/0', 'reviews:9080/reviews/0', 'ratings:9080/ratings/0']),
    );
  });

  it('says which part is missing, and shows the rest', async () => {
    instead.set('details:9080', [fails(500)]);
    const text = await page();
    expect(text).toContain('product details are currently unavailable');
    expect(text).toContain('Reviews served by');
  });

  it('asks for reviews once more before it gives up', async () => {
    instead.set('reviews:9080', [fails(503)]);
    expect(await page()).toContain('Reviews served by');
    instead.set('reviews:9080', [fails(503), fails(503)]);
    expect(await page()).toContain('product reviews are currently unavailable');
    expect(seen.filter(({ host }) => host === 'reviews:9080')).toHaveLength(4);
  });

  it('answers its API with what the services say', async () => {
    const get = async (path: string): Promise<[number, unknown]> => {
      const response = await fetch(urlOf('productpage-v1') + path);
      return [response.status, await response.json()];
    };
    expect(await get('/health')).toEqual([200, { status: 'productpage is healthy' }]);
    expect(await get('/api/v1/products')).toMatchObject([200, [{ id: 0 }]]);
    expect(await get('/api/v1/products/0')).toMatchObject([200, { year: 1595 }]);
    expect(await get('/api/v1/products/0/reviews')).toMatchObject([200, { podname: 'reviews-v2' }]);
    expect(await get('/api/v1/products/0/ratings')).toMatchObject([200, { id: 0 }]);
    expect((await get('/nowhere'))[0]).toBe(404);
    instead.set('ratings:9080', [fails(418)]);
    expect((await get('/api/v1/products/0/ratings'))[0]).toBe(418);
  });
});

describe('who is signed in', () => {
  it('goes to the services as end-user, through reviews to ratings', async () => {
    const { status, cookie } = await signIn('jason');
    expect(status).toBe(302);
    expect(await page({ cookie })).toContain('jason');
    const users = seen.map(({ host, headers }) => `${host} ${String(headers['end-user'])}`);
    expect(new Set(users)).toEqual(
      new Set(['details:9080 jason', 'reviews:9080 jason', 'ratings:9080 jason']),
    );
    expect(seen.filter(({ host, headers }) => host !== 'ratings:9080' && headers.cookie)).toEqual(
      [],
    );
  });

  it('cannot be claimed by a header', async () => {
    await page({ 'end-user': 'jason' });
    expect(seen.map(({ headers }) => headers['end-user'])).toEqual(seen.map(() => undefined));
  });

  it('is nobody after signing out, with a made-up session, or with a name that is none', async () => {
    const { cookie } = await signIn('jason');
    await fetch(`${urlOf('productpage-v1')}/logout`, { headers: { cookie }, redirect: 'manual' });
    expect(await page({ cookie })).not.toContain('jason');
    await page({ cookie: 'session=00000000-0000-0000-0000-000000000000' });
    expect(seen.every(({ headers }) => headers['end-user'] === undefined)).toBe(true);
    expect((await signIn('')).status).toBe(400);
    expect((await signIn('a b\r\nx: y')).status).toBe(400);
    expect((await signIn('x'.repeat(5_000))).status).toBe(400);
  });
});

describe('trace context', () => {
  it('is passed on through two hops', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await page({ traceparent, 'x-request-id': 'r1', 'x-b3-traceid': 'b3' });
    expect(seen).toHaveLength(3);
    for (const { headers } of seen)
      expect([headers.traceparent, headers['x-request-id'], headers['x-b3-traceid']]).toEqual([
        traceparent,
        'r1',
        'b3',
      ]);
  });
});

describe('reviews', () => {
  const reviews = async (workload: string): Promise<unknown> =>
    (await fetch(`${urlOf(workload)}/reviews/0`)).json();

  it('v1 asks for no ratings', async () => {
    expect(await reviews('reviews-v1')).toMatchObject({ podname: 'reviews-v1' });
    expect(seen).toEqual([]);
  });

  it('v2 and v3 say so when ratings fail', async () => {
    for (const workload of ['reviews-v2', 'reviews-v3']) {
      instead.set('ratings:9080', [fails(500)]);
      expect(await reviews(workload)).toMatchObject({
        reviews: [
          { rating: { error: 'Ratings service is currently unavailable' } },
          { rating: { error: 'Ratings service is currently unavailable' } },
        ],
      });
    }
  });

  it('show the ratings of each reviewer', async () => {
    expect(await reviews('reviews-v3')).toMatchObject({
      reviews: [{ rating: { stars: 5, color: 'red' } }, { rating: { stars: 4, color: 'red' } }],
    });
  });
});

describe('every service', () => {
  it('is healthy, and has no other pages', async () => {
    for (const service of bookinfo.services) {
      const url = `http://127.0.0.1:${service.port}`;
      expect(await (await fetch(`${url}/health`)).json()).toEqual({
        status: `${service.name} is healthy`,
      });
      expect((await fetch(`${url}/nowhere`)).status).toBe(404);
    }
  });
});
