import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import {
  Anchors,
  fileAnchor,
  logAnchor,
  webhookAnchor,
  type Anchor,
} from '../../src/record/index.ts';

const checkpoint = { note: 'one/ledger\n7\nAA==\n\n\u2014 one/ledger BB==\n', size: 7 };

describe('places', () => {
  test('a log line holds the whole checkpoint', async () => {
    const lines: string[] = [];
    await logAnchor(createLog('info', (line) => lines.push(line))).put(checkpoint);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      message: 'ledger checkpoint',
      size: 7,
      checkpoint: checkpoint.note,
    });
  });

  test('a file is appended to, and never shortened', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdgate-anchor-'));
    const file = join(directory, 'anchors.jsonl');
    try {
      await fileAnchor(file).put(checkpoint);
      await fileAnchor(file).put({ ...checkpoint, size: 8 });
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      const at: unknown = expect.stringMatching(/^\d{4}-.*Z$/);
      expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
        { at, size: 7, checkpoint: checkpoint.note },
        { at, size: 8, checkpoint: checkpoint.note },
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('a webhook', () => {
  let server: Server;
  let url = '';
  let requests: { readonly request: IncomingMessage; readonly body: string }[] = [];
  let answer: { readonly status: number; readonly location?: string };
  beforeEach(async () => {
    requests = [];
    answer = { status: 204 };
    server = createServer((request, response) => {
      void text(request).then((body) => {
        requests.push({ request, body });
        const { status, location } = answer;
        response.writeHead(status, location === undefined ? {} : { location }).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    url = `http://127.0.0.1:${address.port}/anchors?key=hidden`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));
  const put = (): Promise<void> => webhookAnchor(url, () => new Secret('t0ken')).put(checkpoint);

  test('is sent the checkpoint as it is, with the token', async () => {
    await put();
    expect(requests.map(({ body }) => body)).toEqual([checkpoint.note]);
    expect(requests[0]?.request.method).toBe('POST');
    expect(requests[0]?.request.headers).toMatchObject({
      authorization: 'Bearer t0ken',
      'content-type': 'text/plain; charset=utf-8',
    });
  });

  test.each([
    { name: 'a refusal', status: 403 },
    { name: 'a fault', status: 500 },
    { name: 'a redirect, which is not followed', status: 307, location: '/elsewhere' },
  ])('$name is a failure', async (said) => {
    answer = said;
    await expect(put()).rejects.toThrow(/it answered/);
    expect(requests).toHaveLength(1);
  });

  test('is named without what its query may hold', () => {
    expect(webhookAnchor(url, () => new Secret('')).ref).toMatch(
      /^http:\/\/127.0.0.1:\d+\/anchors$/,
    );
  });
});

describe('anchoring', () => {
  test('a place that fails is tried again after a while, and holds up no other', async () => {
    let monotonicMs = 0;
    const clock = { nowMs: () => monotonicMs, monotonicMs: () => monotonicMs };
    const lines: string[] = [];
    const noted: { kind: string; ledgerSize: number }[] = [];
    let broken = true;
    const anchor = (kind: Anchor['kind'], put: Anchor['put']): Anchor => ({ kind, ref: 'x', put });
    const anchors = new Anchors(
      [
        anchor('webhook', () => (broken ? Promise.reject(new Error('no')) : Promise.resolve())),
        anchor('file', () => Promise.resolve()),
      ],
      {
        clock,
        log: createLog('info', (line) => lines.push(line)),
        store: { noteAnchor: (one) => Promise.resolve(void noted.push(one)) },
      },
    );
    const at = async (ms: number, size: number): Promise<void> => {
      monotonicMs = ms;
      anchors.offer({ note: 'n', size });
      await anchors.close();
    };
    await at(0, 1);
    await at(1000, 2);
    await at(10_000, 3);
    broken = false;
    await at(20_000, 4);
    await at(60_000, 5);
    await at(80_000, 5);
    expect(noted.map(({ kind, ledgerSize }) => `${kind} ${ledgerSize}`)).toEqual([
      'file 1',
      'webhook 4',
      'file 5',
      'webhook 5',
    ]);
    expect(lines.filter((line) => line.includes('cannot be anchored'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('anchored again'))).toHaveLength(1);
  });

  test('nothing is put where nothing is known', async () => {
    const anchors = new Anchors(
      [{ kind: 'log', ref: '', put: () => Promise.reject(new Error()) }],
      {
        clock: { nowMs: () => 0, monotonicMs: () => 0 },
        log: createLog('info', (line) => expect(line).toBe('')),
        store: { noteAnchor: () => Promise.resolve() },
      },
    );
    anchors.offer(null);
    await anchors.close();
  });
});
