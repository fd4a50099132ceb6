import { expect, it } from 'vitest';
import { ListenError } from '../../node-adapter/process/handles.ts';
import { startFault } from './faults.ts';

it('names the port of the configuration that is to be mapped to another one', () => {
  const messageOf = (code: string, port: number, offset = 0): string =>
    startFault(new ListenError(code, '0.0.0.0', port), {
      kind: 'gateway',
      behind: [{ kind: 'gateway', host: '0.0.0.0', map: { 80: 8080 }, offset }],
    }).message;
  expect(messageOf('EADDRINUSE', 8080)).toMatch(/--map 80=another$/);
  expect(messageOf('EADDRINUSE', 8443, 8000)).toMatch(/--map 443=another$/);
  expect(messageOf('EADDRINUSE', 12_000, 8000)).toMatch(/--map 12000=another$/);
  expect(messageOf('EADDRINUSE', 8443)).toMatch(/--map 8443=another$/);
  expect(messageOf('EACCES', 443)).toMatch(/--map 443=8443, or/);
});
