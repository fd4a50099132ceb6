/** Message framing that two parsers could read differently is refused, whatever the codec let in. */
import type { LocalReply } from '../model/exchange.ts';
import type { RequestHead } from '../model/head.ts';
import { badRequest } from './rescue.ts';

/** Methods are case-sensitive; a lower-case one is another method to some backends and the same to others. */
const METHOD = /^[A-Z][A-Z0-9_-]*$/;

const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

function lengthFault(head: RequestHead): string | undefined {
  if (!head.has('content-length')) return undefined;
  const lengths = head.getAll('content-length');
  if (lengths.length > 1) return 'content_length_repeated';
  return /^\d{1,15}$/.test(lengths[0] ?? '') ? undefined : 'content_length_malformed';
}

/** Undefined = fine. */
export function framingFault(head: RequestHead): LocalReply | undefined {
  if (head.method !== 'GET' && !METHOD.test(head.method)) return badRequest('method_malformed');
  const length = lengthFault(head);
  if (length !== undefined) return badRequest(length);
  if (!head.has('transfer-encoding')) return undefined;
  if (head.has('content-length')) return badRequest('content_length_with_transfer_encoding');
  const codings = head.getAll('transfer-encoding');
  if (codings.length > 1) return badRequest('transfer_encoding_repeated');
  if (CONTROL.test(codings[0] ?? '')) return badRequest('transfer_encoding_malformed');
  if (codings[0]?.toLowerCase() === 'chunked') return undefined;
  return { ...badRequest('transfer_encoding_unknown'), status: 501 };
}
