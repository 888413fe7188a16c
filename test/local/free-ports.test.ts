import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePorts } from '../../src/local/free-ports.ts';

test('all ports of one call are different', async () => {
  const ports = await freePorts(Array.from({ length: 20 }, () => 0));
  expect(new Set(ports).size).toBe(20);
});

test('a wanted port is kept where it is free, and replaced where it is taken', async () => {
  const [free] = await freePorts([0]);
  expect(await freePorts([free!])).toEqual([free]);
  const taken = createServer().listen(free, '127.0.0.1');
  await once(taken, 'listening');
  const [other] = await freePorts([free!]);
  expect(other).not.toBe(free);
  taken.close();
});

test('the same port wanted twice is given once', async () => {
  const [free] = await freePorts([0]);
  const [first, second] = await freePorts([free!, free!]);
  expect(first).toBe(free);
  expect(second).not.toBe(free);
});
