import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../cli/up/ports.ts';
import type { ListenAt } from '../listening.ts';
import { Handles, canMakeHandles } from './handles.ts';

const handleOf = (at: ListenAt): object | undefined => ('handle' in at ? at.handle : undefined);

describe('handles', () => {
  it('can be made in this runtime', () => {
    expect(canMakeHandles()).toBe(true);
  });

  it('are the same for all who ask for the same, until nobody wants them', async () => {
    const port = await freePort();
    const handles = new Handles();
    const first = await handles.get('127.0.0.1', port);
    expect(handleOf(await handles.get('127.0.0.1', port))).toBe(handleOf(first));
    handles.retain([]);
    const server = createServer().listen(port, '127.0.0.1');
    await new Promise<void>((resolve) => server.once('listening', resolve));
    // What it let go it waits for, as when a worker is about to close it.
    const again = handles.get('127.0.0.1', port);
    setTimeout(() => server.close(), 100);
    expect(handleOf(await again)).not.toBe(handleOf(first));
    handles.close();
  });

  it('know a port in use before anybody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise<void>((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(new Handles().get('127.0.0.1', port)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      port,
    });
    server.close();
  });

  it('know an address that is not ours', async () => {
    await expect(new Handles().get('192.0.2.1', 1234)).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
  });

  it('let each process bind for itself where they can not be made', async () => {
    const handles = new Handles(new Map(), false);
    expect(await handles.get('127.0.0.1', 80)).toEqual({
      host: '127.0.0.1',
      port: 80,
      reusePort: true,
    });
    expect(handles.all()).toEqual([]);
  });
});
