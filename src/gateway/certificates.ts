import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/index.ts';
import { ensureLocalCertificates, watchCertificates, type Certificates } from '../listen/index.ts';
import type { Closing } from './parts.ts';

export type PortCertificates = {
  readonly data: Certificates;
  readonly people: Certificates;
  readonly caFile: string | null;
};

export async function openCertificates(
  config: Config,
  log: Log,
  closing: Closing[],
): Promise<PortCertificates> {
  const directory = join(config.dataDirectory, 'tls');
  let caFile: string | null = null;
  const openOne = async (name: 'data' | 'people'): Promise<Certificates> => {
    const { tls, hostnames } = config[name];
    let files = tls;
    if (files === undefined) {
      const local = await ensureLocalCertificates(directory, hostnames, Date.now(), name);
      ({ caFile } = local);
      files = local;
    }
    const certificates = watchCertificates(files, log);
    closing.push({ name: `${name} certificate`, close: () => certificates.close() });
    return certificates;
  };
  return { data: await openOne('data'), people: await openOne('people'), caFile };
}
