import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bookinfo } from './bookinfo.ts';
import { bookinfoResources, startBookinfo, workloadName } from './bookinfo.ts';

let bookinfo: Bookinfo;
beforeAll(async () => {
  bookinfo = await startBookinfo();
});
afterAll(() => bookinfo.close());

function urlOf(name: string): string {
  const found = bookinfo.services.find((service) => workloadName(service) === name);
  return `http://127.0.0.1:${found?.port ?? 0}`;
}

describe('Bookinfo', () => {
  it('has six workloads of four services, each with a resource that names it', () => {
    expect(bookinfo.services.map((service) => workloadName(service)).sort()).toEqual([
      'details-v1',
      'productpage-v1',
      'ratings-v1',
      'reviews-v1',
      'reviews-v2',
      'reviews-v3',
    ]);
    const documents = bookinfoResources(bookinfo.services, ({ port }) => port).split('\n---\n');
    expect(documents).toHaveLength(10);
    expect(documents.filter((text) => text.includes('WorkloadEntry'))).toHaveLength(6);
  });

  it('answers details and ratings, and nothing it does not have', async () => {
    const details = await (await fetch(`${urlOf('details-v1')}/details/0`)).json();
    expect(details).toMatchObject({ author: 'William Shakespeare' });
    expect(await (await fetch(`${urlOf('ratings-v1')}/ratings/0`)).text()).toContain('Reviewer1');
    expect((await fetch(`${urlOf('ratings-v1')}/other`)).status).toBe(404);
  });

  it('shows reviews without stars in v1, and says so when it cannot ask for ratings', async () => {
    const v1 = await (await fetch(`${urlOf('reviews-v1')}/reviews/0`)).text();
    expect(v1).not.toContain('rating');
    const v2 = await (await fetch(`${urlOf('reviews-v2')}/reviews/0`)).text();
    expect(v2).toContain('Ratings service is currently unavailable');
  });

  it('escapes what a visitor types', async () => {
    const page = await fetch(`${urlOf('productpage-v1')}/login`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ username: '<script>x</script>' }),
    });
    const cookie = page.headers.get('set-cookie')?.split(';')[0] ?? '';
    const text = await (
      await fetch(`${urlOf('productpage-v1')}/productpage`, { headers: { cookie } })
    ).text();
    expect(text).not.toContain('<script>x');
  });
});
