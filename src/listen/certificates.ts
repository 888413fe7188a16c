import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { errorText, type Log } from '../base/log.ts';

/** A certificate chain and its key, PEM: fit for `tls.createServer` and `server.setSecureContext`. */
export type CertificatePair = { readonly cert: Buffer; readonly key: Buffer };

/** The certificate that a listener shows, kept current with its files. */
export type Certificates = {
  /** The newest pair that worked. */
  readonly current: () => CertificatePair;
  /** Told each time a new pair is in use: hand it to `server.setSecureContext`. */
  readonly onChange: (use: (pair: CertificatePair) => void) => void;
  readonly close: () => void;
};

export type CertificateFiles = { readonly certificateFile: string; readonly keyFile: string };

/** How often the files are looked at: mounted secrets change by symbolic link, which file watchers miss. Milliseconds. */
const pollMs = 5000;

/** Reads the pair and tries it: a key that does not fit its certificate throws here, not at a client's handshake. */
function load(files: CertificateFiles): CertificatePair {
  const pair = { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) };
  createSecureContext(pair);
  return pair;
}

const stamp = (files: CertificateFiles): string =>
  [files.certificateFile, files.keyFile]
    .map((file) => {
      const { mtimeMs, size, ino } = statSync(file);
      return `${mtimeMs}/${size}/${ino}`;
    })
    .join(' ');

/**
 * Loads a certificate and its key, and reloads them when the files change. Throws where the first pair cannot be used;
 * later a broken pair (half written, mismatched) is logged and the one in use stays.
 */
export function watchCertificates(files: CertificateFiles, log: Log): Certificates {
  let pair = load(files);
  let seen = stamp(files);
  const listeners: ((pair: CertificatePair) => void)[] = [];
  const timer = setInterval(() => {
    try {
      const now = stamp(files);
      if (now === seen) return;
      seen = now;
      pair = load(files);
      for (const use of listeners) use(pair);
      log.info('the certificate was reloaded', { file: files.certificateFile });
    } catch (cause) {
      log.error('the new certificate cannot be used; the one before stays', {
        file: files.certificateFile,
        cause: errorText(cause),
      });
    }
  }, pollMs);
  timer.unref();
  return {
    current: () => pair,
    onChange: (use) => listeners.push(use),
    close: () => clearInterval(timer),
  };
}
