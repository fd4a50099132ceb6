/** X-Forwarded-Client-Cert: what backends are told of the certificate that a client showed (Envoy's and Istio's format). */
import type { PeerCertificate } from '../model/identity.ts';
import type { ClientCertificateMode } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';

const NAME = 'x-forwarded-client-cert';

/** Written once for each certificate. */
const elements = new WeakMap<PeerCertificate, string>();

function elementOf(certificate: PeerCertificate): string {
  let element = elements.get(certificate);
  if (element === undefined) {
    const { hash, subject, uris, dns, by } = certificate;
    const parts = [
      ...(by === '' ? [] : [`By=${value(by)}`]),
      `Hash=${hash}`,
      `Subject=${quoted(subject)}`,
      ...uris.map((uri) => `URI=${value(uri)}`),
      ...dns.map((name) => `DNS=${value(name)}`),
    ];
    element = parts.join(';');
    elements.set(certificate, element);
  }
  return element;
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;

/** What would end a value is quoted with it. */
const value = (text: string): string => (/[,;="]/.test(text) ? quoted(text) : text);

/** A sidecar stands behind proxies of the mesh, who took away what clients had made up: theirs goes on, the peer's behind. */
function modeOf({ listener, linked }: EngineExchange): ClientCertificateMode {
  if (listener?.direction === 'inbound') return 'APPEND_FORWARD';
  if (listener?.direction !== 'gateway') return 'SANITIZE';
  return linked.named.snapshot.mesh.clientCertificates ?? 'SANITIZE';
}

/** Nobody is believed to have passed a certificate on who showed none. */
export function tellClientCertificate(x: EngineExchange): void {
  const { request, peer } = x;
  const { certificate } = peer;
  const before = request.get(NAME);
  if (before === undefined && certificate === undefined) return;
  const mode = modeOf(x);
  if (mode === 'ALWAYS_FORWARD_ONLY' || (mode === 'FORWARD_ONLY' && certificate !== undefined))
    return;
  if (certificate === undefined || mode === 'SANITIZE' || mode === 'FORWARD_ONLY') {
    if (before !== undefined) request.remove(NAME);
    return;
  }
  const own = elementOf(certificate);
  const isAppended = mode === 'APPEND_FORWARD' && before !== undefined && before !== '';
  request.set(NAME, isAppended ? `${before},${own}` : own);
}
