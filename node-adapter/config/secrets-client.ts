/** Fetches the certificates and keys of a scope. They are kept in memory alone. */
import { proxyPath } from '../../src/delivery/control-client.ts';
import type { ControlClientOptions } from '../../src/delivery/control-client.ts';
import { isRecord } from '../../src/delivery/pointer.ts';
import type { SecretBundle, SecretMaterial } from '../../src/model/secret.ts';

const TIMEOUT_MS = 5000;
const MAX_LENGTH = 8 * 1024 * 1024;
const FIELDS = ['certificate', 'key', 'authorities', 'revoked'] as const;

const isTexts = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((text) => typeof text === 'string');

function isMaterial(value: unknown): value is SecretMaterial {
  return (
    isRecord(value) &&
    FIELDS.every((field) => value[field] === undefined || typeof value[field] === 'string') &&
    (value['values'] === undefined || isTexts(value['values']))
  );
}

function checked(value: unknown): SecretBundle {
  if (!isRecord(value) || typeof value['version'] !== 'string' || !isRecord(value['secrets']))
    throw new Error('control plane answers no secrets');
  if (!Object.values(value['secrets']).every((one) => isMaterial(one)))
    throw new Error('control plane answers secrets that are none');
  return value as unknown as SecretBundle;
}

/** Undefined = the known version is current. */
export async function fetchSecrets(
  { scope, token, ask }: Omit<ControlClientOptions, 'instance' | 'runtime'>,
  known: string | undefined,
): Promise<SecretBundle | undefined> {
  const response = await ask(`${proxyPath(scope)}/secrets`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(known === undefined ? {} : { 'if-none-match': `"${known}"` }),
    },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: 'manual',
  });
  if (response.status === 304) return undefined;
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`control plane answers ${response.status} to secrets`);
  }
  const text = await response.text();
  if (text.length > MAX_LENGTH) throw new Error(`secrets have more than ${MAX_LENGTH} characters`);
  return checked(JSON.parse(text));
}
