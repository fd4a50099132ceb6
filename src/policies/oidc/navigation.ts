/** What a browser says of why it asks. */
import type { Exchange } from '../../model/exchange.ts';

/** A page that a person opens: nothing else can follow to a login. */
export function isNavigation({ method, request }: Exchange): boolean {
  if (method !== 'GET' || request.has('upgrade')) return false;
  if ((request.get('sec-purpose') ?? '').startsWith('prefetch')) return false;
  const mode = request.get('sec-fetch-mode');
  if (mode !== undefined) {
    const target = request.get('sec-fetch-dest');
    return mode === 'navigate' && (target === undefined || target === 'document');
  }
  if (request.has('x-requested-with')) return false;
  return (request.get('accept') ?? '').toLowerCase().includes('text/html');
}

/** Was it sent by a page of this origin? */
export function isOwnPost({ request }: Exchange, origin: string): boolean {
  const [given, ...others] = request.getAll('origin');
  if (given !== undefined) return others.length === 0 && given === origin;
  return request.get('sec-fetch-site') === 'same-origin';
}
