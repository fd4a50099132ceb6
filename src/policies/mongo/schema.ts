import { z } from 'zod';
import { parseDuration } from '../../lib/duration.ts';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';

const MAX_RULES = 64;
const MAX_ENTRIES = 256;
const MAX_DELAY_MS = 600_000;
const MAX_CODE = 2_147_483_647;

const texts = z
  .array(z.string())
  .max(MAX_ENTRIES, { error: `a list takes at most ${MAX_ENTRIES}` });
const percent = z.number().min(0).max(100, { error: 'want 0 to 100' }).optional();
const fault = z.strictObject({
  operations: texts.optional(),
  collections: texts.optional(),
  delay: z.strictObject({ percent, duration: z.string() }).optional(),
  refuse: z
    .strictObject({
      percent,
      code: z.int().min(1).max(MAX_CODE).optional(),
      codeName: z.string().optional(),
      message: z.string().max(512).optional(),
    })
    .optional(),
});
const route = z.strictObject({
  databases: texts,
  subset: z.string().optional(),
  host: z.string().optional(),
  port: z.int().min(1).max(65_535).optional(),
});
const schema = z.strictObject({
  collections: texts.optional(),
  faults: z
    .array(fault)
    .max(MAX_RULES, { error: `a list takes at most ${MAX_RULES}` })
    .optional(),
  routes: z
    .array(route)
    .max(MAX_RULES, { error: `a list takes at most ${MAX_RULES}` })
    .optional(),
});

export interface MongoPartFault {
  readonly operations?: readonly string[];
  readonly collections?: readonly string[];
  readonly delay?: { readonly percent?: number; readonly duration: string };
  readonly refuse?: {
    readonly percent?: number;
    readonly code?: number;
    readonly codeName?: string;
    readonly message?: string;
  };
}

export interface MongoPartRoute {
  readonly databases: readonly string[];
  readonly subset?: string;
  readonly host?: string;
  readonly port?: number;
}

export interface MongoPart {
  readonly collections?: readonly string[];
  readonly faults?: readonly MongoPartFault[];
  readonly routes?: readonly MongoPartRoute[];
}

const OPERATION = /^[a-zA-Z][a-zA-Z0-9_]*$/;
/** What MongoDB forbids in the name of a database. */
const DATABASE = /^[^\s/\\."$*<>:|?]{1,63}$/;
const HOST = /^[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?(?:\.[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?)*$/i;

function isCollection(text: string): boolean {
  const dot = text.indexOf('.');
  return dot > 0 && DATABASE.test(text.slice(0, dot)) && !/^$|\0/.test(text.slice(dot + 1));
}

function checkCollections(
  given: readonly string[] | undefined,
  at: string,
  report: ReportFault,
): void {
  if (given?.length === 0) report(at, `${at.split('.').at(-1)} is empty`, 'leave it out');
  for (const [index, text] of (given ?? []).entries())
    if (!isCollection(text))
      report(
        `${at}[${index}]`,
        `${JSON.stringify(text)} is no collection, want shop.orders, or shop.* for all of a database`,
      );
}

function checkFault(given: MongoPartFault, at: string, report: ReportFault): void {
  const { operations, collections, delay, refuse } = given;
  if (delay === undefined && refuse === undefined)
    report(at, 'a fault does nothing, want delay or refuse');
  if (operations?.length === 0)
    report(
      `${at}.operations`,
      'operations is empty: the fault would never be met',
      'leave it out to mean any',
    );
  for (const [index, text] of (operations ?? []).entries())
    if (!OPERATION.test(text))
      report(
        `${at}.operations[${index}]`,
        `${JSON.stringify(text)} is no operation, want a command as find or getMore`,
      );
  checkCollections(collections, `${at}.collections`, report);
  if (delay === undefined) return;
  const ms = parseDuration(delay.duration);
  if (ms === undefined || ms < 1 || ms > MAX_DELAY_MS)
    report(
      `${at}.delay.duration`,
      `${JSON.stringify(delay.duration)} is no delay, want 1ms to 10m`,
    );
}

function checkRoute(given: MongoPartRoute, at: string, report: ReportFault): void {
  const { databases, subset, host, port } = given;
  if (databases.length === 0)
    report(`${at}.databases`, 'databases is empty: the route would never be taken');
  for (const [index, text] of databases.entries())
    if (!DATABASE.test(text))
      report(`${at}.databases[${index}]`, `${JSON.stringify(text)} is no name of a database`);
  if (subset === undefined && host === undefined && port === undefined)
    report(at, 'a route leads nowhere, want subset, host or port');
  if (host !== undefined && !HOST.test(host))
    report(
      `${at}.host`,
      `${JSON.stringify(host)} is no host, want the whole name of a service, as db.shop.svc.cluster.local`,
    );
}

function check(given: unknown, report: ReportFault): void {
  const { collections, faults = [], routes = [] } = given as MongoPart;
  checkCollections(collections, 'collections', report);
  for (const [index, entry] of faults.entries()) checkFault(entry, `faults[${index}]`, report);
  for (const [index, entry] of routes.entries()) checkRoute(entry, `routes[${index}]`, report);
}

const NOTES = `It holds for connections that are carried, not for HTTP: of ports whose protocol is MONGO (a port's name \`mongo\`, or \`mongo-...\`), and of every other carried port that a Policy with this key reaches. An empty part (\`mongo: {}\`) is enough to have operations counted there. Workers carry no such connections.

What is understood: OP_MSG with all its sections, checksums and exhaust cursors, OP_COMPRESSED (snappy, zlib; zstd where the runtime has it), and the opcodes of old drivers. **What is not understood passes as it came**, is counted, and nothing is done to it; bytes are only ever held back for a fault, and only until the operation is known.

- **Counted** are operations by command and by collection: how many, bytes both ways, errors by code, and a histogram of times. Without \`collections\` the first 200 collections are counted by name and the rest together.
- **faults** are looked at in order, and the first whose \`operations\` and \`collections\` take the operation counts, for its delay and its refusal alike. Handshakes and authentication (hello, saslStart, ...) meet a fault only where \`operations\` names them. A delay holds back what the same connection sends behind it. A refusal answers \`{ok: 0, code, codeName, errmsg}\` in the server's place; an unacknowledged write is dropped.
- **routes** choose the server of a whole connection by the database that its client authenticates against, which drivers name in their first message (\`authSource\`). A client that names none goes where the route of the connection leads, and so does one whose route leads to no cluster that the proxy knows: those of the services that its routes name, with all their subsets.`;

export const mongoPart: PolicyPart<z.ZodType> = {
  key: 'mongo',
  summary: 'Counts, delays, refuses and routes operations of MongoDB clients.',
  schema,
  check,
  fields: [
    {
      path: 'collections',
      type: 'list of collections',
      meaning: 'those that are counted by name: `shop.orders`, or `shop.*`',
      default: 'those that come first',
    },
    { path: 'faults', type: 'list of faults', meaning: 'the first that takes an operation counts' },
    {
      path: 'faults[].operations',
      type: 'list of commands',
      meaning: 'in any case: `find`, `insert`, `getMore`',
      default: 'all but handshakes and authentication',
    },
    {
      path: 'faults[].collections',
      type: 'list of collections',
      meaning: '`shop.orders`, or `shop.*` for all of a database',
      default: 'all, and operations that name none',
    },
    {
      path: 'faults[].delay',
      type: 'delay',
      meaning: 'the operation goes on later',
      default: 'none',
    },
    { path: 'faults[].delay.duration', type: 'duration', meaning: '1 ms to 10 minutes' },
    {
      path: 'faults[].delay.percent',
      type: 'number, 0 to 100',
      meaning: 'share of the operations',
      default: '100',
    },
    {
      path: 'faults[].refuse',
      type: 'error',
      meaning: 'answered in the server’s place',
      default: 'none',
    },
    {
      path: 'faults[].refuse.percent',
      type: 'number, 0 to 100',
      meaning: 'share of the operations',
      default: '100',
    },
    {
      path: 'faults[].refuse.code',
      type: 'integer',
      meaning: 'MongoDB’s error code',
      default: '96',
    },
    {
      path: 'faults[].refuse.codeName',
      type: 'text',
      meaning: 'its name',
      default: 'MongoDB’s own name, where the code is a common one',
    },
    {
      path: 'faults[].refuse.message',
      type: 'text',
      meaning: 'what the client reads',
      default: 'refused by the mesh',
    },
    { path: 'routes', type: 'list of routes', meaning: 'the first that has the database counts' },
    {
      path: 'routes[].databases',
      type: 'list of databases',
      meaning: 'that a client authenticates against',
    },
    {
      path: 'routes[].subset',
      type: 'text',
      meaning: 'subset of a DestinationRule',
      default: 'that of the connection’s route',
    },
    {
      path: 'routes[].host',
      type: 'service',
      meaning: 'its whole name',
      default: 'that of the connection’s route',
    },
    {
      path: 'routes[].port',
      type: 'integer',
      meaning: 'of that service',
      default: 'that of the connection’s route',
    },
  ],
  notes: NOTES,
  refusals: [],
  refusesOtherwise:
    'What a fault refuses is answered as MongoDB answers an error, and counted under its code.',
  example: `collections: [shop.orders, "audit.*"]
faults:
- operations: [find, aggregate]
  collections: [shop.orders]
  delay: {percent: 10, duration: 200ms}
- operations: [insert, update]
  refuse: {percent: 1, code: 189}
routes:
- databases: [archive]
  subset: cold
`,
};
