/** Who this proxy is, shown over sockets. */
import type { CredentialSource } from '../src/credential/holder.ts';
import { IDENTITY_HEADER, MAX_DIGESTED_BYTES, PROOF_HEADER } from '../src/credential/names.ts';
import { asksForCredential, bindsBody, credentialFor } from '../src/credential/outgoing.ts';
import type { Exchange } from '../src/model/exchange.ts';
import type { RelayServices } from './relay-services.ts';
import { takeTurn } from './sockets/turn.ts';

const EMPTY = new Uint8Array(0);

/** Rejects when there is nothing to show. */
async function attach(x: Exchange, source: CredentialSource | undefined): Promise<void> {
  const { upstreamTarget: target, upstreamScheme: scheme, method, request } = x;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark);
  let body: Uint8Array<ArrayBuffer> | undefined;
  if (bindsBody(x)) {
    const start = (await x.readBody?.(MAX_DIGESTED_BYTES)) ?? { bytes: EMPTY, isWhole: true };
    if (!start.isWhole) throw new Error('a body that is to be bound is larger than 1 MiB');
    body = new Uint8Array(start.bytes);
  }
  const headers = await credentialFor(x, { scheme, path, query, method }, source, body);
  for (const [name, value] of headers) request.set(name, value);
}

/** Does the upstream of this attempt ask? What the attempt before showed was for another one. */
export function mustShow(x: Exchange): boolean {
  if (asksForCredential(x, x)) return true;
  if (x.attempts > 1 && x.request.has(PROOF_HEADER)) {
    x.request.remove(IDENTITY_HEADER);
    x.request.remove(PROOF_HEADER);
  }
  return false;
}

interface Showing {
  /** Nobody waits for the attempt any more. */
  isOver(): boolean;
  go(isShown: boolean): void;
  onFault(error: unknown): void;
}

/** Goes on in a turn of its own, unless the attempt is over by then; `isShown` is false where there is nothing to show. */
export function showThen(
  x: Exchange,
  { credentials, host }: Pick<RelayServices, 'credentials' | 'host'>,
  showing: Showing,
): void {
  const { attempts } = x;
  const goOn = (isShown: boolean): void => {
    if (showing.isOver() || x.attempts !== attempts) return;
    takeTurn(
      () => showing.go(isShown),
      (error) => showing.onFault(error),
    );
  };
  attach(x, credentials).then(
    () => goOn(true),
    (fault: unknown) => {
      const cause = fault instanceof Error ? fault.message : 'unknown';
      const message = 'no credential for an upstream';
      host.log(JSON.stringify({ level: 'error', message, cause }));
      goOn(false);
    },
  );
}
