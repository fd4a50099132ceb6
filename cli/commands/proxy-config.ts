/** proxy-config: what a running sidecar or gateway has been given, from its admin endpoint. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { globalOptions } from '../context.ts';
import type { GlobalOptions } from '../context.ts';
import { adminClient, askJson } from '../node/admin-client.ts';
import type { Ask } from '../node/admin-client.ts';
import { ADMIN_DEFAULT } from '../node/options.ts';
import {
  clustersTable,
  endpointsTable,
  listenersTable,
  routesTable,
  secretsTable,
} from '../node/tables.ts';
import type {
  CertificateView,
  EndpointsView,
  ListeningView,
  ScopeView,
  Table,
} from '../node/tables.ts';
import { outputFormat, printData, table } from '../output.ts';

interface ProxyConfigOptions extends GlobalOptions {
  readonly admin: string;
}

interface View {
  /** For programs. */
  readonly data: unknown;
  readonly table: Table;
}

async function scopesOf(ask: Ask): Promise<readonly ScopeView[]> {
  return (await askJson<{ readonly scopes: readonly ScopeView[] }>(ask, '/config_dump')).scopes;
}

const views: Readonly<
  Record<string, { readonly text: string; readonly read: (ask: Ask) => Promise<View> }>
> = {
  listeners: {
    text: 'ports, and what becomes of connections to them',
    async read(ask) {
      const scopes = await scopesOf(ask);
      const { listeners } = await askJson<{ readonly listeners: readonly ListeningView[] }>(
        ask,
        '/listeners',
      );
      const data = scopes.flatMap(({ snapshot }) => snapshot?.listeners ?? []);
      return {
        data: { listening: listeners, listeners: data },
        table: listenersTable(scopes, listeners),
      };
    },
  },
  routes: {
    text: 'which request goes where, in the order in which routes are tried',
    async read(ask) {
      const scopes = await scopesOf(ask);
      const data = scopes.flatMap(({ snapshot }) =>
        (snapshot?.listeners ?? []).flatMap(({ name, virtualHosts }) =>
          virtualHosts.map((host) => ({ listener: name, ...host })),
        ),
      );
      return { data, table: routesTable(scopes) };
    },
  },
  clusters: {
    text: 'groups of endpoints that routes name',
    async read(ask) {
      const scopes = await scopesOf(ask);
      const data = scopes.flatMap(({ snapshot }) => snapshot?.clusters ?? []);
      return { data, table: clustersTable(scopes) };
    },
  },
  endpoints: {
    text: 'addresses, their health, and connections to them',
    async read(ask) {
      const { clusters } = await askJson<{ readonly clusters: readonly EndpointsView[] }>(
        ask,
        '/clusters',
      );
      return { data: clusters, table: endpointsTable(clusters) };
    },
  },
  secrets: {
    text: 'certificates and how long they last; never their keys',
    async read(ask) {
      const { certificates } = await askJson<{ readonly certificates: readonly CertificateView[] }>(
        ask,
        '/certs',
      );
      return { data: certificates, table: secretsTable(certificates, Date.now()) };
    },
  },
};

export function registerProxyConfig(program: Command): void {
  const command = program
    .command('proxy-config')
    .alias('pc')
    .description('what a running sidecar or gateway has been given');
  for (const [name, { text, read }] of Object.entries(views))
    command
      .command(name)
      .description(text)
      .addOption(new Option('--admin <at>', "the proxy's admin endpoint").default(ADMIN_DEFAULT))
      .option('-o, --output <format>', 'json or yaml')
      .action(async (_options: unknown, self: Command) => {
        const { admin, output } = globalOptions<ProxyConfigOptions>(self);
        const format = outputFormat(output);
        const view = await read(adminClient(admin));
        if (format === 'text') process.stdout.write(table(view.table.header, view.table.rows));
        else printData(view.data, format);
      });
}
