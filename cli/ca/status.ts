/** ca status, issued, denied: what people read of the authority. */
import colors from 'picocolors';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { outputFormat, printData, table } from '../output.ts';

interface Certificate {
  readonly subject: string;
  readonly serial: string;
  readonly notAfterMs: number;
  readonly sha256: string;
}

export interface AuthorityStatus {
  readonly trustDomain: string;
  readonly aliases: readonly string[];
  readonly signer?: {
    readonly generation: number;
    readonly key: string;
    readonly chain: readonly Certificate[];
    readonly root: Certificate;
    readonly warnings: readonly string[];
  };
  readonly roots: readonly Certificate[];
  readonly tokenKeys: readonly { readonly kid: string; readonly activeMs: number }[];
  readonly denied: { readonly serials: number; readonly identities: number };
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

export const timeText = (ms: number): string => new Date(ms).toISOString();

function statusText(status: AuthorityStatus): string {
  const { signer, denied, aliases, roots, tokenKeys } = status;
  const lines = [
    `trust domain  ${status.trustDomain}${aliases.length > 0 ? ` (aliases ${aliases.join(', ')})` : ''}`,
    ...(signer === undefined
      ? ['signer        none']
      : [
          `signer        generation ${signer.generation}, ${signer.key}, until ${timeText(signer.chain[0]?.notAfterMs ?? 0)}`,
          ...roots.map(
            ({ sha256, notAfterMs, subject }) =>
              `root          ${subject}, until ${timeText(notAfterMs)}, sha256 ${sha256}`,
          ),
          ...tokenKeys.map(
            ({ kid, activeMs }) => `token key     ${kid}, signs from ${timeText(activeMs)}`,
          ),
          ...signer.warnings.map((warning) => `${colors.yellow('warning')}       ${warning}`),
        ]),
    `denied        ${denied.serials} certificates, ${denied.identities} identities`,
  ];
  const rows = status.conditions.map(({ type, status: state, reason, message }) => [
    type,
    state,
    reason,
    message,
  ]);
  return `${lines.join('\n')}\n\n${table(['CONDITION', 'STATUS', 'REASON', 'MESSAGE'], rows)}`;
}

/** Exits 1 when something is wrong, for scripts. */
export async function showStatus(options: GlobalOptions): Promise<void> {
  const { body } = await call<AuthorityStatus>(
    resolveCredentials(options),
    '/v1/identity/authority',
  );
  const format = outputFormat(options.output);
  if (format === 'text') process.stdout.write(statusText(body));
  else printData(body, format);
  const wrong = body.conditions.filter(({ status }) => status !== 'True');
  if (wrong.length > 0)
    throw new CommandError(`not as it should be: ${wrong.map(({ type }) => type).join(', ')}`);
}

interface Issued {
  readonly serial: string;
  readonly identity: string;
  readonly notAfterMs: number;
  readonly actor: string;
  readonly provenBy: string;
}

export interface IssuedOptions extends GlobalOptions {
  readonly identity?: string;
  readonly serial?: string;
  readonly ended?: boolean;
  readonly limit?: string;
}

export async function showIssued(options: IssuedOptions): Promise<void> {
  const credentials = resolveCredentials(options);
  const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : Number(options.limit);
  if (!(limit > 0)) throw new CommandError(`--limit ${options.limit}: want a number above 0`, 2);
  const items: Issued[] = [];
  let after: string | undefined;
  do {
    const { body } = await call<{ readonly items: readonly Issued[]; readonly next?: string }>(
      credentials,
      '/v1/identity/issued',
      {
        query: {
          identity: options.identity?.replace(/^spiffe:\/\//, ''),
          serial: options.serial,
          ended: options.ended === true ? 'true' : undefined,
          limit: '1000',
          after,
        },
      },
    );
    items.push(...body.items);
    after = body.next;
  } while (after !== undefined && items.length < limit);
  const shown = items.slice(0, limit);
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(shown, format);
    return;
  }
  const rows = shown.map(({ serial, identity, notAfterMs, provenBy, actor }) => [
    serial,
    identity,
    timeText(notAfterMs),
    `${provenBy} ${actor}`,
  ]);
  process.stdout.write(table(['SERIAL', 'IDENTITY', 'UNTIL', 'PROVEN BY'], rows));
}

interface Denied {
  readonly name: string;
  readonly reason: string;
  readonly actor: string;
  readonly atMs: number;
  readonly untilMs?: number;
}

export async function showDenied(options: GlobalOptions): Promise<void> {
  const { body } = await call<{
    readonly serials: readonly Denied[];
    readonly identities: readonly Denied[];
  }>(resolveCredentials(options), '/v1/identity/denied');
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body, format);
    return;
  }
  const rowsOf = (kind: string, list: readonly Denied[]): string[][] =>
    list.map(({ name, actor, atMs, untilMs, reason }) => [
      kind,
      name,
      timeText(atMs),
      untilMs === undefined ? '' : timeText(untilMs),
      actor,
      reason,
    ]);
  const rows = [...rowsOf('serial', body.serials), ...rowsOf('identity', body.identities)];
  process.stdout.write(table(['KIND', 'NAME', 'SINCE', 'UNTIL', 'BY', 'REASON'], rows));
}
