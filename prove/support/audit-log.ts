import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** The parts of an audit event (audit.k8s.io/v1) that a proof reads. */
export type AuditEvent = {
  readonly auditID: string;
  readonly stage: 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly requestURI: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  /** Only for requests inside the API groups; fields that are empty are left out. */
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
    readonly apiVersion?: string;
  };
  readonly responseStatus?: { readonly code?: number };
};

const chunkBytes = 1024 * 1024;

/** How long the audit log is, in bytes: where a run's own part begins. */
export function auditLogBytes(file: string): number {
  const descriptor = openSync(file, 'r');
  try {
    return fstatSync(descriptor).size;
  } finally {
    closeSync(descriptor);
  }
}

/** The events after a position, oldest first. A last line that is not written to its end is left for the next read. */
export function readAuditLog(file: string, fromByte: number): readonly AuditEvent[] {
  const events: AuditEvent[] = [];
  const descriptor = openSync(file, 'r');
  try {
    const chunk = Buffer.alloc(chunkBytes);
    let rest = Buffer.alloc(0);
    let at = fromByte;
    for (;;) {
      const count = readSync(descriptor, chunk, 0, chunkBytes, at);
      if (count === 0) return events;
      at += count;
      rest = Buffer.concat([rest, chunk.subarray(0, count)]);
      const end = rest.lastIndexOf(0x0a);
      if (end < 0) continue;
      const lines = rest.subarray(0, end).toString('utf8').split('\n');
      for (const line of lines) if (line !== '') events.push(JSON.parse(line) as AuditEvent);
      rest = rest.subarray(end + 1);
    }
  } finally {
    closeSync(descriptor);
  }
}
