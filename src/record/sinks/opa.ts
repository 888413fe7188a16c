import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { err, ok, type Result } from '../../base/result.ts';
import { opaLogLine } from '../export/opa-log.ts';
import { failureOf, postTo, underUrl, type HttpServer } from './http-post.ts';
import { delivered, mayPass, type Sink } from './sink.ts';

const zip = promisify(gzip);

/**
 * A service that takes OPA's decision logs: what OPA's own plugin sends (openpolicyagent.org/docs/management-decision-logs), a
 * POST of a gzipped JSON array of events to `/logs` under the service's URL.
 */
export function opaSink(options: {
  readonly name: string;
  readonly server: () => Result<HttpServer, string>;
}): Sink {
  return {
    name: options.name,
    rows: 'decisions',
    write: (row) => opaLogLine(row).trimEnd(),
    deliver: async (batch, signal) => {
      const known = options.server();
      if (!known.ok) return err(mayPass(known.error));
      const url = underUrl(known.value.url, '/logs');
      const body = await zip(`[${batch.map(({ text }) => text).join(',')}]`);
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      const answer = await postTo({ ...known.value, url }, headers, body, signal);
      if (!answer.ok) return answer;
      const failure = failureOf(url, answer.value);
      return failure === null ? ok(delivered) : err(failure);
    },
  };
}
