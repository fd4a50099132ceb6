/** ca: the certificate authority of a mesh. */
import type { Command } from 'commander';
import type { FederateOptions } from '../ca/federate.ts';
import { addFederation, listFederations, removeFederation } from '../ca/federate.ts';
import type { BroughtFiles, RootFiles } from '../ca/material.ts';
import { askForRequest, newRoot, readBrought, readRoot, signed } from '../ca/material.ts';
import type { Material } from '../ca/material.ts';
import type { AdvanceOptions } from '../ca/rotate.ts';
import { advanceRotation, cancelRotation, showRotation, startRotation } from '../ca/rotate.ts';
import type { IssuedOptions } from '../ca/status.ts';
import { showDenied, showIssued, showStatus } from '../ca/status.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { note, outputFormat, printData } from '../output.ts';

const AUTHORITY = '/v1/identity/authority';
const DENIED = '/v1/identity/denied';

type RootOptions = GlobalOptions & RootFiles;

async function install(material: Material, options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), AUTHORITY, {
    method: 'POST',
    body: JSON.stringify(material),
  });
}

/** The key alone goes to stdout, so that a script can put it where it belongs. */
function printKey(key: string): void {
  note("the root's key; it is shown only this once and kept nowhere:");
  process.stdout.write(key);
}

/** A root made here, and the intermediate that the control plane asked for. */
async function madeMaterial(options: RootOptions): Promise<Material> {
  const asked = await askForRequest(resolveCredentials(options));
  return signed(asked, await newRoot(asked.trustDomain, options, printKey));
}

async function init(options: RootOptions): Promise<void> {
  const { body } = await call<{ readonly signer?: object }>(resolveCredentials(options), AUTHORITY);
  if (body.signer !== undefined)
    throw new CommandError(
      'the mesh has a certificate authority: `lateen ca rotate start` exchanges its root, `lateen ca renew` its intermediate',
    );
  await install(await madeMaterial(options), options);
  note(`certificate authority set up; its root is ${options.rootCert}`);
}

async function plugIn(options: GlobalOptions & BroughtFiles): Promise<void> {
  await install(readBrought(options), options);
  note('certificate authority set up with your intermediate');
}

async function renew(options: GlobalOptions & Required<RootFiles>): Promise<void> {
  const root = readRoot(options);
  await install(await signed(await askForRequest(resolveCredentials(options)), root), options);
  note('a new intermediate signs; what the one before signed stays good');
}

async function startWith(options: RootOptions & Partial<BroughtFiles>): Promise<void> {
  const { rootCert, caCert, caKey, certChain } = options;
  if ((caCert === undefined) !== (caKey === undefined))
    throw new CommandError('want --ca-cert and --ca-key together, or neither for a new root', 2);
  const material =
    caCert === undefined || caKey === undefined
      ? await madeMaterial(options)
      : readBrought({ rootCert, caCert, caKey, ...(certChain === undefined ? {} : { certChain }) });
  await startRotation(material, options);
}

interface SubjectOptions extends GlobalOptions {
  readonly serial?: string;
  readonly identity?: string;
  readonly reason?: string;
}

function requireSubject({ serial, identity }: SubjectOptions): string {
  if ((serial === undefined) === (identity === undefined))
    throw new CommandError('want --serial or --identity, one of both', 2);
  return serial ?? identity ?? '';
}

async function deny(options: SubjectOptions): Promise<void> {
  const name = requireSubject(options);
  const { serial, identity, reason } = options;
  await call(resolveCredentials(options), DENIED, {
    method: 'POST',
    body: JSON.stringify({ serial, identity, reason }),
  });
  note(`${name} is denied; proxies hear of it with their next configuration`);
}

async function undeny(options: SubjectOptions): Promise<void> {
  const name = requireSubject(options);
  const { serial } = options;
  const identity = options.identity?.replace(/^spiffe:\/\//, '');
  await call(resolveCredentials(options), DENIED, {
    method: 'DELETE',
    query: { serial, identity },
  });
  note(`${name} is denied no more`);
}

async function rewrap(options: GlobalOptions): Promise<void> {
  const { body } = await call<{ readonly keys: number }>(
    resolveCredentials(options),
    '/v1/identity/rewrap',
    { method: 'POST' },
  );
  note(`${body.keys} keys wrapped anew; the secret before is needed no more`);
}

async function rotateTokenKey(options: GlobalOptions & { readonly replace?: boolean }) {
  const { body } = await call<{ readonly kid: string; readonly activeMs: number }>(
    resolveCredentials(options),
    '/v1/identity/token-keys',
    { method: 'POST', body: JSON.stringify({ replace: options.replace === true }) },
  );
  note(`token key ${body.kid} signs from ${new Date(body.activeMs).toISOString()}`);
}

async function bundle(options: GlobalOptions): Promise<void> {
  const { body } = await call(resolveCredentials(options), '/v1/identity/bundle');
  const format = outputFormat(options.output);
  printData(body, format === 'text' ? 'json' : format);
}

/** Adds one command whose options are those of a running mesh, and its own. */
function add<Options extends GlobalOptions>(
  parent: Command,
  usage: string,
  says: string,
  run: (options: Options, name: string) => Promise<void>,
): Command {
  return withConnection(parent.command(usage))
    .description(says)
    .action(async (...given: unknown[]) => {
      const command = given.at(-1) as Command;
      await run(globalOptions<Options>(command), String(given[0]));
    });
}

const OUTPUT = ['-o, --output <format>', 'json or yaml'] as const;
const ROOT_CERT = 'lateen-root.pem';

function setupCommands(ca: Command): void {
  add(ca, 'init', 'make a root here and set the authority up under it', init)
    .option('--root-cert <file>', "where the root's certificate goes", ROOT_CERT)
    .option(
      '--root-key <file>',
      'where its key goes (mode 0600); without it the key is printed once',
    );
  add(ca, 'plug-in', 'set it up with an intermediate of your own', plugIn)
    .requiredOption('--root-cert <file>', 'the root')
    .requiredOption('--ca-cert <file>', 'the issuing certificate')
    .requiredOption('--ca-key <file>', 'its key')
    .option('--cert-chain <file>', 'the certificates between it and the root');
  add(ca, 'renew', 'exchange the intermediate, under the same root', renew)
    .requiredOption('--root-cert <file>', 'the root')
    .requiredOption('--root-key <file>', 'its key; it stays on this machine');
}

function readCommands(ca: Command): void {
  add(ca, 'status', 'what signs, until when; exits 1 when something is wrong', showStatus).option(
    ...OUTPUT,
  );
  add(ca, 'issued', 'certificates that were issued', (options: IssuedOptions) =>
    showIssued(options),
  )
    .option('--identity <identity>', 'of one identity')
    .option('--serial <hex>', 'one of them')
    .option('--ended', 'those that ended too')
    .option('--limit <count>', 'at most so many')
    .option(...OUTPUT);
  add(ca, 'denied', 'what holds no more', showDenied).option(...OUTPUT);
  add(ca, 'bundle', "the trust domain's SPIFFE bundle, for others to federate with", bundle).option(
    ...OUTPUT,
  );
}

function denyCommands(ca: Command): void {
  add(ca, 'deny', 'let a certificate or an identity hold no more', deny)
    .option('--serial <hex>', 'one certificate')
    .option('--identity <identity>', 'every certificate and token of it')
    .option('--reason <text>', 'for the record');
  add(ca, 'undeny', 'take that back', undeny)
    .option('--serial <hex>', 'one certificate')
    .option('--identity <identity>', 'an identity');
}

function rotateCommands(ca: Command): void {
  const rotate = ca.command('rotate').description('exchange the root without an outage');
  add(
    rotate,
    'start',
    'both roots are believed from now on: with a root made here, or an intermediate of yours',
    startWith,
  )
    .requiredOption(
      '--root-cert <file>',
      'the new root: where it goes, or with --ca-cert where it is',
    )
    .option('--root-key <file>', 'where the key of a made root goes (mode 0600); else printed once')
    .option('--ca-cert <file>', 'your issuing certificate')
    .option('--ca-key <file>', 'its key')
    .option('--cert-chain <file>', 'the certificates between it and the root')
    .option(...OUTPUT);
  add(rotate, 'status', 'the stage, and what the next step waits for', showRotation).option(
    ...OUTPUT,
  );
  add(
    rotate,
    'advance',
    'the next step; refused while somebody would be cut off',
    (options: AdvanceOptions) => advanceRotation(options),
  )
    .option('--wait <duration>', 'wait so long until nobody would be, as 30m')
    .option('--force', 'go on all the same; the audit log remembers it')
    .option(...OUTPUT);
  add(rotate, 'cancel', 'as long as the new root has signed nothing', cancelRotation);
  add(rotate, 'token-key', 'a new key for workload identity tokens', rotateTokenKey).option(
    '--replace',
    'it signs at once; the others are dropped, with every token of theirs',
  );
}

function federateCommands(ca: Command): void {
  const federate = ca.command('federate').description('other trust domains');
  add(
    federate,
    'add <trust-domain>',
    'believe a domain, for identities of its own',
    (options: FederateOptions, name) => addFederation(name, options),
  )
    .option('--url <url>', 'its bundle endpoint (https_web), asked again as it says')
    .option('--file <file>', 'its bundle, as a file');
  add(federate, 'list', 'who is believed, and how fresh', listFederations).option(...OUTPUT);
  add(federate, 'remove <trust-domain>', 'believe it no more', (options: GlobalOptions, name) =>
    removeFederation(name, options),
  );
}

export function registerCa(program: Command): void {
  const ca = program.command('ca').description('the certificate authority of the mesh');
  setupCommands(ca);
  readCommands(ca);
  denyCommands(ca);
  rotateCommands(ca);
  add(ca, 'rewrap', "wrap the authority's keys with the newest secret", rewrap);
  federateCommands(ca);
}
