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
  databases: texts.optional(),
  collections: texts.optional(),
  operations: texts.optional(),
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
  directConnection: z.boolean().optional(),
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
  readonly databases?: readonly string[];
  readonly collections?: readonly string[];
  readonly operations?: readonly string[];
  readonly subset?: string;
  readonly host?: string;
  readonly port?: number;
}

export interface MongoPart {
  readonly collections?: readonly string[];
  readonly faults?: readonly MongoPartFault[];
  readonly routes?: readonly MongoPartRoute[];
  readonly directConnection?: boolean;
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

function checkOperations(
  given: readonly string[] | undefined,
  { at, what }: { readonly at: string; readonly what: string },
  report: ReportFault,
): void {
  if (given?.length === 0) report(at, `operations is empty: ${what}`, 'leave it out to mean any');
  for (const [index, text] of (given ?? []).entries())
    if (!OPERATION.test(text))
      report(
        `${at}[${index}]`,
        `${JSON.stringify(text)} is no operation, want a command as find or getMore`,
      );
}

function checkFault(given: MongoPartFault, at: string, report: ReportFault): void {
  const { operations, collections, delay, refuse } = given;
  if (delay === undefined && refuse === undefined)
    report(at, 'a fault does nothing, want delay or refuse');
  const what = 'the fault would never be met';
  checkOperations(operations, { at: `${at}.operations`, what }, report);
  checkCollections(collections, `${at}.collections`, report);
  if (delay === undefined) return;
  const ms = parseDuration(delay.duration);
  if (ms === undefined || ms < 1 || ms > MAX_DELAY_MS)
    report(
      `${at}.delay.duration`,
      `${JSON.stringify(delay.duration)} is no delay, want 1ms to 10m`,
    );
}

/** Where these go is settled by what came before them. */
const FOLLOWERS: Readonly<Record<string, string>> = {
  getmore: 'goes to where its cursor was opened',
  killcursors: 'goes to where its cursors were opened',
  committransaction: 'goes to where its transaction began',
  aborttransaction: 'goes to where its transaction began',
  hello: 'goes where the connection’s route leads',
  ismaster: 'goes where the connection’s route leads',
  saslstart: 'settles a whole connection, by its database',
  saslcontinue: 'settles a whole connection, by its database',
  authenticate: 'settles a whole connection, by its database',
};

function checkRouted(operations: readonly string[], at: string, report: ReportFault): void {
  for (const [index, text] of operations.entries()) {
    const reason = FOLLOWERS[text.toLowerCase()];
    if (reason !== undefined)
      report(`${at}[${index}]`, `${text} can't be routed by itself: it ${reason}`, 'take it out');
  }
}

function checkWhere(given: MongoPartRoute, at: string, report: ReportFault): void {
  const { subset, host, port } = given;
  if (subset === undefined && host === undefined && port === undefined)
    report(at, 'a route leads nowhere, want subset, host or port');
  if (host !== undefined && !HOST.test(host))
    report(
      `${at}.host`,
      `${JSON.stringify(host)} is no host, want the whole name of a service, as db.shop.svc.cluster.local`,
    );
}

function checkRoute(given: MongoPartRoute, at: string, report: ReportFault): void {
  const { databases, collections, operations } = given;
  if (databases === undefined && collections === undefined && operations === undefined)
    report(
      at,
      'a route without databases, collections and operations would take everything',
      'name one of them, or let the connection’s route lead there',
    );
  if (databases?.length === 0)
    report(`${at}.databases`, 'databases is empty: the route would never be taken');
  for (const [index, text] of (databases ?? []).entries())
    if (!DATABASE.test(text))
      report(`${at}.databases[${index}]`, `${JSON.stringify(text)} is no name of a database`);
  checkCollections(collections, `${at}.collections`, report);
  const what = 'the route would never be taken';
  checkOperations(operations, { at: `${at}.operations`, what }, report);
  checkRouted(operations ?? [], `${at}.operations`, report);
  checkWhere(given, at, report);
}

function check(given: unknown, report: ReportFault): void {
  const { collections, faults = [], routes = [] } = given as MongoPart;
  checkCollections(collections, 'collections', report);
  for (const [index, entry] of faults.entries()) checkFault(entry, `faults[${index}]`, report);
  for (const [index, entry] of routes.entries()) checkRoute(entry, `routes[${index}]`, report);
}

const NOTES = `It holds for connections that are carried, not for HTTP: of ports whose protocol is MONGO (a port's name \`mongo\`, or \`mongo-...\`), and of every other carried port that a Policy with this key reaches. An empty part (\`mongo: {}\`) is enough to have operations counted there. Workers carry no such connections.

What is understood: OP_MSG with all its sections, checksums and exhaust cursors, OP_COMPRESSED (snappy, zlib; zstd where the runtime has it), and the opcodes of old drivers. **What is not understood passes as it came**, is counted, and nothing is done to it; bytes are only ever held back for a fault or a route, and only until the operation is known.

- **Counted** are operations by command and by collection: how many, bytes both ways, errors by code, and a histogram of times. Without \`collections\` the first 200 collections are counted by name and the rest together.
- **faults** are looked at in order, and the first whose \`operations\` and \`collections\` take the operation counts, for its delay and its refusal alike. Handshakes and authentication (hello, saslStart, ...) meet a fault only where \`operations\` names them. A delay holds back what the same connection sends behind it. A refusal answers \`{ok: 0, code, codeName, errmsg}\` in the server's place, behind an answer that has begun; an unacknowledged write is dropped.
- **routes** are looked at in order, and the first that takes a connection or an operation counts. It leads to a cluster of the mesh; where there is none of that service, port and subset, nothing is sent anywhere: the connection is closed (NC), or the operation answered with error 6.

## Whole connections

A client that authenticates says against which database in its first message (\`saslSupportedMechs\`, \`speculativeAuthenticate\`), or begins with saslStart or authenticate. The server is chosen by that database before anything is dialled, and stays for the life of the connection, for its credentials are those of one cluster. Only routes that name \`databases\` alone are looked at. The same holds for a client that begins with a command instead of hello, by the database of the command. A client whose first message doesn't come within 10 s goes where the connection's route leads.

## Operations

A hello without credentials is answered by the server that the connection's route leads to. What comes behind it is routed one by one, each request whole, over one further connection for each cluster. That is sound only where the client knows no other address than the proxy's, which is when its hello says \`loadBalanced\`, or the server that answered it belongs to no replica set, or the Policy says \`directConnection\`. Else, and where the two agreed on a compressor that the runtime can't undo, everything goes where the connection's route leads.

- The client's own hello is repeated to each further server before the first operation. One that couldn't stand in for the server that the client knows (an older wire version, smaller limits, a missing compressor, no retryable writes) gets nothing: the operation is answered with error 6 and the reason. So it is when the server can't be reached.
- \`read\` is find, aggregate, count, distinct, explain, listCollections, listIndexes, collStats, dbStats and dataSize; \`write\` is insert, update, delete, findAndModify, bulkWrite, an aggregate that ends in $out or $merge, mapReduce, and what creates, changes and drops collections and indexes. Other commands are neither. \`collections\` take no command that names none, as dropDatabase and listCollections: \`databases\` do.
- Requests and answers keep their bytes, their ids and their order. A request to another cluster waits until those before it are answered; drivers ask one at a time anyway.
- A cursor is continued (getMore, killCursors) where it was opened. One that the proxy doesn't know goes where a find of its database and collection would.
- A transaction stays in the cluster where it began. Its statements are routed as writes, whatever they are, and routes by names of commands don't take them; one that would go elsewhere is refused with error 263. A commit or abort of a transaction that the proxy doesn't know goes where the connection's route leads, and the server says that there is none.
- bulkWrite and renameCollection must name collections of one cluster, else error 20. What stages of an aggregation join or write must be where its collection is. Other commands of \`admin\` go where the connection's route leads, unless a route names that database.
- A client that authenticates later on stays with one cluster from there on, that of the database.
- What is not understood goes, as it came, where the connection's route leads, and so does all that comes behind it on that connection.
- To be routed, a request is read to where its database stands: most need 64 KiB, few (documents inside of the command, compression) all of it. Requests that are held so take at most 128 MiB of a worker together; beyond that the connection is cut (UO, \`mongo_overflow\`).
- Cursors and transactions are known to one worker, 10,000 of each, the latest. Clients with \`loadBalanced\` keep each on its connection. Others may go on with it over another connection, which with \`--workers\` above 1 may be another worker's; they need \`--workers 1\`, and clusters of one server each, as behind any load balancer. A causally consistent session that spans clusters waits for times of one in the other: let a session stay within one. endSessions goes where the connection's route leads; elsewhere sessions end by their timeout.`;

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
    {
      path: 'routes',
      type: 'list of routes',
      meaning: 'the first that takes a connection or an operation counts',
    },
    {
      path: 'routes[].databases',
      type: 'list of databases',
      meaning: 'of an operation; of a connection, that its client authenticates against',
      default: 'all',
    },
    {
      path: 'routes[].collections',
      type: 'list of collections',
      meaning: 'of an operation: `shop.orders`, or `shop.*`',
      default: 'all, and operations that name none',
    },
    {
      path: 'routes[].operations',
      type: 'list of commands',
      meaning: '`read`, `write`, or commands in any case',
      default: 'all',
    },
    {
      path: 'routes[].subset',
      type: 'text',
      meaning: 'subset of a DestinationRule',
      default: 'that of the connection’s route; with `host`, none',
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
    {
      path: 'directConnection',
      type: 'boolean',
      meaning:
        'all clients say `directConnection=true`, which can’t be told from what they send: operations may then be routed although the server is a member of a replica set',
      default: 'false',
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
- collections: [shop.orders]
  operations: [read]
  host: db-replicas.shop.svc.cluster.local
`,
};
