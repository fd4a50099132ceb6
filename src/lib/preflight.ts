/** Does a browser ask beforehand whether it may send a request (Fetch, CORS-preflight)? It then sends nothing of who asks. */
export function isPreflight(
  method: string,
  request: { readonly has: (name: string) => boolean },
): boolean {
  return (
    method === 'OPTIONS' && request.has('origin') && request.has('access-control-request-method')
  );
}
