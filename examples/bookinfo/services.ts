/** details, ratings and reviews of Bookinfo. */
import type { RunningService, ServiceOptions } from './http.ts';
import { callService, contextOf, sendJson, startService } from './http.ts';

const DETAILS = {
  id: 0,
  author: 'William Shakespeare',
  year: 1595,
  type: 'paperback',
  pages: 200,
  publisher: 'PublisherA',
  language: 'English',
  'ISBN-10': '1234567890',
  'ISBN-13': '123-1234567890',
};

export function startDetails(options: ServiceOptions): Promise<RunningService> {
  return startService('details', options, (request, response) => {
    if (request.url === '/health') sendJson(response, 200, { status: 'details is healthy' });
    else if (/^\/details\/\d+$/.test(request.url ?? '')) sendJson(response, 200, DETAILS);
    else sendJson(response, 404, { error: 'not found' });
  });
}

export function startRatings(options: ServiceOptions): Promise<RunningService> {
  return startService('ratings', options, (request, response) => {
    if (request.url === '/health') sendJson(response, 200, { status: 'ratings is healthy' });
    else if (/^\/ratings\/\d+$/.test(request.url ?? ''))
      sendJson(response, 200, { id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } });
    else sendJson(response, 404, { error: 'not found' });
  });
}

const TEXTS = [
  {
    reviewer: 'Reviewer1',
    text: 'An extremely entertaining play. The slapstick humour is refreshing!',
  },
  {
    reviewer: 'Reviewer2',
    text: 'Absolutely fun and entertaining. It lacks thematic depth beside other plays by the same author.',
  },
] as const;
/** Longer than the delay that the fault injection task asks for. */
const RATINGS_TIMEOUT_MS = 10_000;

type Rating = { readonly stars: number; readonly color: string } | { readonly error: string };

function ratingOf(status: number, body: string, reviewer: string, color: string): Rating {
  if (status !== 200) return { error: 'Ratings service is currently unavailable' };
  const { ratings } = JSON.parse(body) as { ratings?: Readonly<Record<string, number>> };
  return { stars: ratings?.[reviewer] ?? 0, color };
}

/** v1 asks for no ratings, v2 shows black stars, v3 red ones. */
export function startReviews(options: ServiceOptions): Promise<RunningService> {
  const color = options.version === 'v3' ? 'red' : 'black';
  return startService('reviews', options, async (request, response) => {
    if (request.url === '/health') return sendJson(response, 200, { status: 'reviews is healthy' });
    if (!/^\/reviews\/\d+$/.test(request.url ?? ''))
      return sendJson(response, 404, { error: 'not found' });
    const answer =
      options.version === 'v1'
        ? undefined
        : await callService({
            base: options.outbound?.(),
            authority: 'ratings:9080',
            path: '/ratings/0',
            headers: contextOf(request.headers),
            timeoutMs: RATINGS_TIMEOUT_MS,
          });
    const reviews = TEXTS.map((entry) => ({
      ...entry,
      ...(answer === undefined
        ? {}
        : { rating: ratingOf(answer.status, answer.body, entry.reviewer, color) }),
    }));
    return sendJson(response, 200, {
      id: 0,
      podname: `reviews-${options.version}`,
      clustername: 'null',
      reviews,
    });
  });
}
