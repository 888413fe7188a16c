import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../src/base/log.ts';
import {
  createListener,
  ensureLocalCertificates,
  watchCertificates,
  type Handler,
  type Listener,
} from '../../src/listen/index.ts';

/** A local CA, and data ports on loopback that have its certificate. */
export type TestListeners = {
  readonly ca: Buffer;
  /** Opens a port whose exchanges `handler` serves; its metadata names https://gateway.test and https://issuer.test. */
  readonly open: (handler: Handler) => Promise<Listener>;
  /** Removes the certificates. Whoever opened a port drains it. */
  readonly remove: () => void;
};

/** Makes the certificates, in a folder of their own. */
export async function testListeners(): Promise<TestListeners> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-listen-'));
  const names = ['127.0.0.1', 'localhost'];
  const files = await ensureLocalCertificates(directory, names, Date.now(), 'data');
  const { caFile, certificateFile, keyFile } = files;
  return {
    ca: readFileSync(caFile),
    open: (handler) =>
      createListener({
        address: '127.0.0.1',
        port: 0,
        certificates: watchCertificates({ certificateFile, keyFile }, silentLog),
        handler,
        metadata: { resource: () => 'https://gateway.test', issuers: ['https://issuer.test'] },
        log: silentLog,
      }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
