/** envoy.service.auth.v3.CheckResponse: read strictly, since whoever writes it decides what passes. */
import { ProtoFault, ProtoReader } from '../../lib/protobuf.ts';
import type {
  Allowed,
  CheckVerdict,
  Denied,
  Header,
  HeaderEdit,
  QueryEdits,
} from './check-verdict.ts';
import { invalid, isMalformed, mayNotBeSent, mayNotBeShown } from './check-verdict.ts';

const OK = 0;
const FORBIDDEN = 403;

type How = HeaderEdit['how'];
/** By number of HeaderValueOption.HeaderAppendAction. */
const ACTIONS: readonly How[] = ['append', 'add-if-absent', 'set', 'overwrite-if-exists'];

interface HeaderOption {
  readonly name: string;
  readonly value: string;
  readonly append: boolean | undefined;
  readonly action: number;
}

/** Bytes as the header port holds them. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function readHeaderValue(reader: ProtoReader): Header {
  let name = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.text().toLowerCase();
    // A text, or the bytes themselves.
    else if (reader.field === 2 || reader.field === 3) value = latin1(reader.bytes());
  }
  return [name, value];
}

function readBoolValue(reader: ProtoReader): boolean {
  let value = false;
  while (reader.next()) if (reader.field === 1) value = reader.bool();
  return value;
}

function readOption(reader: ProtoReader): HeaderOption {
  let header: Header = ['', ''];
  let append: boolean | undefined;
  let action = 0;
  while (reader.next()) {
    if (reader.field === 1) header = readHeaderValue(reader.message());
    else if (reader.field === 2) append = readBoolValue(reader.message());
    else if (reader.field === 3) action = reader.integer();
  }
  const [name, value] = header;
  return { name, value, append, action };
}

/** `append` is the older way to say it, and unset it means false for a request. */
function ofRequest({ name, value, append, action }: HeaderOption): HeaderEdit {
  const asked = append === undefined && action !== 0 ? ACTIONS[action] : undefined;
  return { name, value, how: asked ?? (append === true ? 'append' : 'set') };
}

function ofResponse({ name, value, append, action }: HeaderOption): HeaderEdit {
  const how = append === undefined ? ACTIONS[action] : ACTIONS[append ? 0 : 2];
  return { name, value, how: how ?? 'append' };
}

function readParameter(reader: ProtoReader): Header {
  let name = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.text();
    else if (reader.field === 2) value = reader.text();
  }
  return [name, value];
}

function readOk(reader: ProtoReader): Allowed {
  const request: HeaderEdit[] = [];
  const response: HeaderEdit[] = [];
  const removed: string[] = [];
  const query: { set: Header[]; removed: string[] } = { set: [], removed: [] };
  while (reader.next()) {
    if (reader.field === 2) request.push(ofRequest(readOption(reader.message())));
    else if (reader.field === 5) removed.push(reader.text().toLowerCase());
    else if (reader.field === 6) response.push(ofResponse(readOption(reader.message())));
    else if (reader.field === 7) query.set.push(readParameter(reader.message()));
    else if (reader.field === 8) query.removed.push(reader.text());
  }
  return {
    kind: 'allowed',
    request: request.filter(({ name }) => !mayNotBeSent(name)),
    removed: removed.filter((name) => !mayNotBeSent(name)),
    response: response.filter(({ name }) => !mayNotBeShown(name)),
    ...queryOf(query),
  };
}

const queryOf = (query: QueryEdits): { readonly query?: QueryEdits } =>
  query.set.length + query.removed.length === 0 ? {} : { query };

function readHttpStatus(reader: ProtoReader): number {
  let code = 0;
  while (reader.next()) if (reader.field === 1) code = reader.integer();
  return code >= 200 && code <= 599 ? code : FORBIDDEN;
}

/** What is set again replaces what was set before. */
function listOf(options: readonly HeaderOption[]): Header[] {
  let headers: Header[] = [];
  for (const { name, value, append } of options) {
    if (append !== true) headers = headers.filter(([other]) => other !== name);
    headers.push([name, value]);
  }
  return headers;
}

const BARE: Denied = { kind: 'denied', status: FORBIDDEN, body: '', headers: [] };

function readDenied(reader: ProtoReader): Denied {
  let { status } = BARE;
  let body = '';
  const options: HeaderOption[] = [];
  while (reader.next()) {
    if (reader.field === 1) status = readHttpStatus(reader.message());
    else if (reader.field === 2) options.push(readOption(reader.message()));
    else if (reader.field === 3) body = reader.text();
  }
  const headers = listOf(options).filter(
    ([name, value]) => !mayNotBeShown(name) && !isMalformed(name, value),
  );
  if (body !== '' && !headers.some(([name]) => name === 'content-type'))
    headers.push(['content-type', 'text/plain']);
  return { kind: 'denied', status, body, headers };
}

function readStatus(reader: ProtoReader): number {
  let code = OK;
  while (reader.next()) if (reader.field === 1) code = reader.integer();
  return code;
}

interface Answer {
  code?: number;
  ok?: Allowed;
  denied?: Denied;
}

function readAnswer(reader: ProtoReader): Answer {
  const answer: Answer = {};
  const once = (value: unknown): void => {
    if (value !== undefined) throw new ProtoFault('a field stands twice');
  };
  while (reader.next()) {
    if (reader.field === 1) {
      once(answer.code);
      answer.code = readStatus(reader.message());
    } else if (reader.field === 2) {
      once(answer.denied ?? answer.ok);
      answer.denied = readDenied(reader.message());
    } else if (reader.field === 3) {
      once(answer.denied ?? answer.ok);
      answer.ok = readOk(reader.message());
    }
  }
  return answer;
}

function verdictOf({ code, ok, denied }: Answer): CheckVerdict {
  if (code !== undefined && code !== OK) return denied ?? BARE;
  // Envoy takes a message of nothing for an allowance; so would we a server that forgot to decide.
  if (code === undefined && ok === undefined) return invalid('the answer says neither yes nor no');
  if (denied !== undefined) return invalid('the answer says both yes and no');
  if (ok === undefined) return { kind: 'allowed', request: [], removed: [], response: [] };
  const broken = [...ok.request, ...ok.response].some(({ name, value }) =>
    isMalformed(name, value),
  );
  return broken ? invalid('a header of the answer is malformed') : ok;
}

export function decodeCheckResponse(message: Uint8Array): CheckVerdict {
  try {
    return verdictOf(readAnswer(new ProtoReader(message)));
  } catch (error) {
    if (error instanceof ProtoFault) return invalid(`the answer is malformed: ${error.message}`);
    throw error;
  }
}
