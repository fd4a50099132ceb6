/** What goes through the proxy means the same behind it; each request gets its own answer, in its turn; all comes to an end. */
import { referenceStream } from '../fixtures/reference-parser.ts';
import type { ReferenceMessage, ReferenceStream } from '../fixtures/reference-parser.ts';
import { caseOf, cutsOf, piecesOf, requestText, showCase, tampered } from './http1-streams.ts';
import { World } from './http1-world.ts';
import type { Json } from './json.ts';
import type { Counts, Property } from './property.ts';
import type { Random } from './random.ts';

/** Added, or not what the client said. */
const OWN =
  /^(?:host|te|connection|upgrade|transfer-encoding|x-forwarded-for|x-forwarded-proto|x-request-id|traceparent|x-envoy-.*)$/;
/** Not passed on. */
const HOP =
  /^(?:host|te|connection|upgrade|transfer-encoding|keep-alive|proxy-.*|trailer|expect|x-forwarded-.*|x-lateen-identity|x-request-id|traceparent|tracestate|x-envoy-.*)$/;

const valuesOf = ({ fields }: ReferenceMessage, name: string): string[] =>
  fields.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);

const plain = (fields: ReferenceMessage['fields'], isLeftOut: (name: string) => boolean): string =>
  JSON.stringify(
    fields
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .filter(([name]) => !isLeftOut(name)),
  );

/** What is different between a request as it was sent and as it was forwarded. */
function difference(sent: ReferenceMessage, got: ReferenceMessage): string | undefined {
  if (sent.start[0] !== got.start[0]) return 'method';
  if (sent.body !== got.body) return 'body';
  if (JSON.stringify(sent.trailers) !== JSON.stringify(got.trailers)) return 'trailers';
  const named = new Set(
    valuesOf(sent, 'connection').flatMap((value) =>
      value.split(',').map((name) => name.trim().toLowerCase()),
    ),
  );
  const before = plain(sent.fields, (name) => HOP.test(name) || named.has(name));
  const after = plain(got.fields, (name) => OWN.test(name));
  if (before !== after) return `fields: ${before} became ${after}`;
  const isAbsolute = sent.start[1]?.startsWith('/') === false;
  const [host] = valuesOf(sent, 'host');
  if (!isAbsolute && valuesOf(got, 'host')[0] !== host) return 'host';
  return undefined;
}

function wrongRequest(sent: readonly ReferenceMessage[], world: World): string | undefined {
  let last = -1;
  for (const { number, message } of world.ledger.forwarded) {
    const original = sent[number];
    if (original === undefined) return `request ${String(number)} was never sent`;
    if (number < last) return `request ${String(number)} behind ${String(last)}`;
    last = number;
    const what = difference(original, message);
    if (what !== undefined) return `request ${String(number)} was changed: ${what}`;
  }
  return undefined;
}

/** A body that ends with the connection has come whole when the connection ended well. */
function withLast(
  text: string,
  stream: ReferenceStream,
  world: World,
): readonly ReferenceMessage[] {
  const { messages, head, length, rest } = stream;
  const isOpenEnded =
    rest === 'incomplete' &&
    head !== undefined &&
    !head.fields.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name));
  if (!isOpenEnded || world.front.wasReset) return messages;
  const behind = text.slice(length);
  return [...messages, { ...head, body: behind.slice(behind.indexOf('\r\n\r\n') + 4) }];
}

const LOCAL = /^(?:400|404|408|413|414|417|431|501|502|503|504)$/;

function wrongAnswer(sent: ReferenceStream, world: World, counts: Counts): string | undefined {
  const methods = sent.messages.map(({ start }) => start[0] ?? '');
  if (sent.head !== undefined) methods.push(sent.head.start[0] ?? '');
  const stream = referenceStream(world.received, methods);
  if (stream.rest === 'fault') return `the client can't read ${JSON.stringify(world.received)}`;
  const answers = withLast(world.received, stream, world).filter(
    ({ start }) => start[0]?.startsWith('1') !== true,
  );
  const reached = new Set(world.ledger.forwarded.map(({ number }) => number));
  for (const [number, answer] of answers.entries()) {
    const [status = ''] = answer.start;
    const [id] = valuesOf(answer, 'x-id');
    counts.add(id === undefined ? 'answers of the proxy' : 'answers of backends');
    if (id === undefined) {
      if (!LOCAL.test(status)) return `answer ${String(number)} is ${status} and nobody's`;
      if (reached.has(number) && !world.ledger.spoiled.has(number))
        return `request ${String(number)} was answered by a backend, and its client heard ${status}`;
      continue;
    }
    if (!id.startsWith(`${String(number)}.`)) return `answer ${String(number)} is that of ${id}`;
    const isBodiless = methods[number] === 'HEAD' || status === '204' || status === '304';
    if (answer.body !== (isBodiless ? '' : world.ledger.bodies.get(id)))
      return `answer ${String(number)} has another body`;
  }
  const wanted = sent.messages.length + (sent.rest === 'nothing' ? 0 : 1);
  return answers.length > wanted ? `${answers.length} answers to ${wanted} requests` : undefined;
}

/** Everybody waits: is it for something that can come? */
function hangs(sent: ReferenceStream, world: World): string | undefined {
  if (world.isOver) return undefined;
  if (world.unsent > 0) return 'the client may not send, and nobody is at work';
  if (sent.rest === 'fault') return 'a fault, and the connection goes on';
  const methods = sent.messages.map(({ start }) => start[0] ?? '');
  const { messages } = referenceStream(world.received, methods);
  const answers = messages.filter(({ start }) => start[0]?.startsWith('1') !== true).length;
  return answers === sent.messages.length
    ? undefined
    : `${answers} answers to ${sent.messages.length} requests, and nobody is at work`;
}

function run(sent: ReferenceStream, world: World): string | undefined {
  if (!world.settle()) return 'no end';
  const hang = hangs(sent, world);
  if (hang !== undefined) return hang;
  world.endClient();
  for (let i = 0; i < 4 && !world.front.isClosed; i++) {
    if (!world.settle()) return 'no end';
    world.fireTimers();
  }
  if (!world.settle()) return 'no end';
  return world.front.isClosed ? undefined : 'the connection stays open when all its time is up';
}

function check(value: Json, counts: Counts): string | undefined {
  const { messages, cuts, seed } = caseOf(value);
  const text = messages.join('');
  const sent = referenceStream(text);
  const world = new World(piecesOf(text, cuts), seed);
  const stuck = run(sent, world);
  const [fault] = world.faults;
  if (fault !== undefined) throw fault instanceof Error ? fault : new Error('a fault');
  counts.add('messages', sent.messages.length);
  counts.add('requests forwarded', world.ledger.forwarded.length);
  return (
    stuck ??
    world.ledger.fault ??
    wrongRequest(sent.messages, world) ??
    wrongAnswer(sent, world, counts)
  );
}

function make(random: Random): Json {
  const share = random.pick([0, 0.1, 0.5]);
  const messages = Array.from({ length: random.int(1, 8) }, (_, index) => {
    const text = requestText(index, random);
    return random.chance(share) ? tampered(text, random) : text;
  });
  return { messages, cuts: cutsOf(random), seed: random.uint() };
}

export const http1Proxy: Property = { name: 'http1-proxy', make, check, show: showCase };
