/** What an error says for people: fetch hides behind "fetch failed" why it did. */
export function faultText(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  // Of a name with several addresses the cause has no words, but a code; OpenSSL's words name lines of its sources.
  const { code = '' } = cause as { readonly code?: string };
  return code.startsWith('ERR_SSL') ? code : cause.message || code || error.message;
}
