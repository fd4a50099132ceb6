/** ca federate: other trust domains whose identities are believed, each by its own bundle. */
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { note, outputFormat, printData, table } from '../output.ts';
import { readPem } from './material.ts';
import { timeText } from './status.ts';

const FEDERATION = '/v1/identity/federation';

export interface FederateOptions extends GlobalOptions {
  readonly url?: string;
  readonly file?: string;
}

interface Federation {
  readonly trustDomain: string;
  readonly url?: string;
  readonly roots: number;
  readonly tokenKeys: number;
  readonly changedMs: number;
  readonly fetchedMs?: number;
  readonly fault?: string;
}

export async function addFederation(trustDomain: string, options: FederateOptions): Promise<void> {
  const { url, file } = options;
  if ((url === undefined) === (file === undefined))
    throw new CommandError('want --url of a bundle endpoint or --file with a bundle', 2);
  const bundle = file === undefined ? undefined : readPem(file, '--file');
  await call(resolveCredentials(options), FEDERATION, {
    method: 'POST',
    body: JSON.stringify({ trustDomain, url, bundle }),
  });
  note(`${trustDomain} is believed for identities of its own`);
}

export async function removeFederation(trustDomain: string, options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), `${FEDERATION}/${encodeURIComponent(trustDomain)}`, {
    method: 'DELETE',
  });
  note(`${trustDomain} is believed no more`);
}

export async function listFederations(options: GlobalOptions): Promise<void> {
  const { body } = await call<{ readonly items: readonly Federation[] }>(
    resolveCredentials(options),
    FEDERATION,
  );
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body.items, format);
    return;
  }
  const rows = body.items.map((one) => [
    one.trustDomain,
    String(one.roots),
    String(one.tokenKeys),
    timeText(one.changedMs),
    one.fetchedMs === undefined ? '' : timeText(one.fetchedMs),
    one.fault ?? '',
    one.url ?? 'file',
  ]);
  process.stdout.write(
    table(['TRUST DOMAIN', 'ROOTS', 'TOKEN KEYS', 'CHANGED', 'FETCHED', 'FAULT', 'FROM'], rows),
  );
}
