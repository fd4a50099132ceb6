/** ca rotate: a new root in stages. */
import { parseDuration } from '../../src/lib/duration.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { note, outputFormat, printData } from '../output.ts';
import type { Material } from './material.ts';
import { timeText } from './status.ts';

const ROTATION = '/v1/identity/rotation';
const LOOK_EVERY_MS = 2000;

interface Rotation {
  readonly stage: 'steady' | 'trusting' | 'switched';
  readonly sinceMs: number;
  readonly signer: number;
  readonly waitsFor: readonly string[];
}

const MEANING = {
  steady: 'one root is believed, and its intermediate signs',
  trusting: 'both roots are believed, the old one signs; next: the new one signs',
  switched: 'both roots are believed, the new one signs; next: the old one is dropped',
} as const;

export interface AdvanceOptions extends GlobalOptions {
  readonly force?: boolean;
  readonly wait?: string;
}

function print(rotation: Rotation, options: GlobalOptions): void {
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(rotation, format);
    return;
  }
  const { stage, sinceMs, signer, waitsFor } = rotation;
  const lines = [
    `stage  ${stage} since ${timeText(sinceMs)}: ${MEANING[stage]}`,
    `signer generation ${signer}`,
    ...waitsFor.map((name) => `waits  ${name}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function read(options: GlobalOptions): Promise<Rotation> {
  const { body } = await call<Rotation>(resolveCredentials(options), ROTATION);
  return body;
}

export async function showRotation(options: GlobalOptions): Promise<void> {
  print(await read(options), options);
}

export async function startRotation(material: Material, options: GlobalOptions): Promise<void> {
  const { body } = await call<Rotation>(resolveCredentials(options), ROTATION, {
    method: 'POST',
    body: JSON.stringify(material),
  });
  print(body, options);
}

export async function cancelRotation(options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), ROTATION, { method: 'DELETE' });
  note('the rotation is cancelled; the root is the one that it was');
}

/** Until nobody would be cut off, or the time is over; then the refusal says who. */
async function waitUntilReady(options: AdvanceOptions): Promise<void> {
  const ms = options.wait === undefined ? 0 : parseDuration(options.wait);
  if (ms === undefined || ms < 0)
    throw new CommandError(`--wait ${options.wait}: want a duration, as 10m`, 2);
  const untilMs = Date.now() + ms;
  let said = '';
  while (Date.now() < untilMs) {
    const { waitsFor } = await read(options);
    if (waitsFor.length === 0) return;
    const text = `waits for ${waitsFor.length}: ${waitsFor[0]}`;
    if (text !== said) note(text);
    said = text;
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_EVERY_MS);
    });
  }
}

export async function advanceRotation(options: AdvanceOptions): Promise<void> {
  if (options.force !== true) await waitUntilReady(options);
  const { body } = await call<Rotation>(resolveCredentials(options), `${ROTATION}/advance`, {
    method: 'POST',
    body: JSON.stringify({ force: options.force === true }),
  });
  print(body, options);
}
