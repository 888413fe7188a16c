import { readFileSync, statSync } from 'node:fs';
import { ok } from '../../base/result.ts';
import type { Credential } from './credential.ts';

type Files = { readonly certificateFile: string; readonly keyFile: string };

const stamp = (file: string): string => {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs}/${size}/${ino}`;
};

/** A client certificate from files; read again when they change. A pair that cannot be read leaves the last one in use. */
export function clientCertificateCredential(files: Files): Credential {
  const read = () => ({
    version: `${stamp(files.certificateFile)} ${stamp(files.keyFile)}`,
    tls: {
      cert: readFileSync(files.certificateFile, 'utf8'),
      key: readFileSync(files.keyFile, 'utf8'),
    },
  });
  let held = read();
  return {
    description: `client certificate ${files.certificateFile}`,
    token: () => ok(null),
    refused: () => {},
    tls: () => {
      try {
        const version = `${stamp(files.certificateFile)} ${stamp(files.keyFile)}`;
        if (version !== held.version) held = read();
      } catch {
        // Half replaced: the next request looks again.
      }
      return held;
    },
  };
}

/** A client certificate given as text (a kubeconfig's inline data). */
export function inlineCertificateCredential(cert: string, key: string): Credential {
  return {
    description: 'client certificate from the kubeconfig',
    token: () => ok(null),
    refused: () => {},
    tls: () => ({ version: 'inline', tls: { cert, key } }),
  };
}
