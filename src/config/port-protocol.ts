/** What a port of a core Service is spoken to with, by what it says of itself. */
import { own } from '../lib/own.ts';

/** Names that Kubernetes gives (KEP-3726). */
const APP_PROTOCOLS: Readonly<Record<string, string>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

/** appProtocol, else the port name's prefix before `-`. Upper case; '' = it says none. */
export function portProtocol(name: string | undefined, appProtocol: string | undefined): string {
  const known = own(APP_PROTOCOLS, appProtocol ?? '');
  if (known !== undefined) return known;
  const word = (appProtocol ?? (name ?? '').split('-')[0] ?? '').toUpperCase();
  const isGrpcWeb = (appProtocol ?? name ?? '').toUpperCase().startsWith('GRPC-WEB');
  if (isGrpcWeb) return 'GRPC-WEB';
  return [
    'HTTP',
    'HTTP2',
    'HTTPS',
    'GRPC',
    'TLS',
    'TCP',
    'MONGO',
    'MYSQL',
    'REDIS',
    'UDP',
  ].includes(word)
    ? word
    : '';
}
