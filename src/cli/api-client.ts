import { createWriteStream, readFileSync, renameSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { errorText } from '../base/log.ts';
import { CommandError, exitCodes, type Io } from './command.ts';
import { dataDirectoryOf, placeOptions, readGatewayFile } from './gateway-file.ts';
import { localToken } from './token.ts';

/** Options of every command that calls the REST API. */
export const apiOptions = {
  ...placeOptions,
  server: { type: 'string' },
  ca: { type: 'string' },
  'token-file': { type: 'string' },
  output: { type: 'string', short: 'o', default: 'text' },
} as const;

export const apiHelp = `  --server URL          the people's port; default: that of the local gateway
  --ca FILE             its CA, PEM
  --token-file FILE     a person's token; default: one of the local person
  -c, --config FILE     the gateway's configuration
  --data-directory DIR  default .holdgate
  -o, --output FORMAT   text (default) or json
`;

export type ApiValues = {
  readonly config?: string | undefined;
  readonly 'data-directory'?: string | undefined;
  readonly server?: string | undefined;
  readonly ca?: string | undefined;
  readonly 'token-file'?: string | undefined;
  readonly output: string;
};

export type ApiClient = {
  readonly get: (
    path: string,
    query?: Readonly<Record<string, string | undefined>>,
  ) => Promise<unknown>;
  readonly post: (path: string, body: object) => Promise<unknown>;
  /** An answer that is no JSON document, with its headers. */
  readonly text: (
    path: string,
    query: Readonly<Record<string, string | undefined>>,
  ) => Promise<Answer>;
  /** Writes an answer to a file as it comes; the file is there once it is whole. Gives its bytes. */
  readonly download: (
    path: string,
    query: readonly (readonly [string, string])[],
    file: string,
  ) => Promise<number>;
};

type Answer = {
  readonly text: string;
  /** Empty where the answer has no such header. */
  readonly header: (name: string) => string;
};

const timeoutMs = 30_000;
const answerBytesMax = 64 * 1024 * 1024;

type Place = { readonly server: string; readonly ca: Buffer | undefined; readonly token: string };

async function placeOf(values: ApiValues, io: Io): Promise<Place> {
  if (values.server !== undefined) {
    const file = values['token-file'];
    if (file === undefined) throw new CommandError('--server needs --token-file', exitCodes.usage);
    const ca = values.ca === undefined ? undefined : readFileSync(values.ca);
    return {
      server: values.server.replace(/\/$/, ''),
      ca,
      token: readFileSync(file, 'utf8').trim(),
    };
  }
  const directory = await dataDirectoryOf(values, io);
  const gateway = readGatewayFile(directory);
  const caFile = values.ca ?? gateway.caFile ?? undefined;
  const file = values['token-file'];
  const token =
    file === undefined
      ? (await localToken(directory, 'person', gateway.peopleAudience)).token
      : readFileSync(file, 'utf8').trim();
  return {
    server: gateway.peopleUrl,
    ca: caFile === undefined ? undefined : readFileSync(caFile),
    token,
  };
}

function messageOf(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
      return String(parsed.message);
  } catch {
    // Not a Status: shown as it is.
  }
  return text.slice(0, 500);
}

async function call(
  place: Place,
  method: string,
  path: string,
  body: string | null,
): Promise<Answer> {
  const answer = await ask(place, method, path, body);
  const text = await textOf(answer);
  const status = answer.statusCode ?? 0;
  const header = (name: string): string => String(answer.headers[name] ?? '');
  if (status >= 200 && status < 300) return { text, header };
  throw new CommandError(`${place.server} answered ${status}: ${messageOf(text)}`);
}

/** Sends a request; its answer is to be read. What fails before it comes is a CommandError. */
function ask(
  place: Place,
  method: string,
  path: string,
  body: string | null,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(
      `${place.server}${path}`,
      {
        method,
        ca: place.ca,
        timeout: timeoutMs,
        headers: {
          authorization: `Bearer ${place.token}`,
          accept: 'application/json',
          ...(body === null ? {} : { 'content-type': 'application/json' }),
        },
      },
      resolve,
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.on('error', (cause: NodeJS.ErrnoException) =>
      reject(new CommandError(explain(place.server, cause))),
    );
    sent.end(body ?? undefined);
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const pieces: AsyncIterable<Buffer> = answer;
  for await (const chunk of pieces) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new CommandError('the answer is too large; narrow the query');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

async function download(place: Place, path: string, file: string): Promise<number> {
  const answer = await ask(place, 'GET', path, null);
  if (answer.statusCode !== 200) {
    const text = await textOf(answer);
    throw new CommandError(
      `${place.server} answered ${answer.statusCode ?? 0}: ${messageOf(text)}`,
    );
  }
  const part = `${file}.part`;
  const out = createWriteStream(part, { mode: 0o600 });
  try {
    await pipeline(answer, out);
  } catch (cause) {
    rmSync(part, { force: true });
    throw new CommandError(`the answer broke off: ${errorText(cause)}`);
  }
  renameSync(part, file);
  return out.bytesWritten;
}

function explain(server: string, cause: NodeJS.ErrnoException): string {
  if (cause.code === 'ECONNREFUSED') return `nothing listens at ${server}; is the gateway running?`;
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(cause.code ?? '')) {
    return `the certificate of ${server} is not signed by the given CA (${cause.code}); name the right one with --ca`;
  }
  return `${server} cannot be called: ${errorText(cause)}`;
}

/** A client of the REST API, as the options say. */
export async function apiClient(values: ApiValues, io: Io): Promise<ApiClient> {
  if (values.output !== 'text' && values.output !== 'json') {
    throw new CommandError('--output is text or json', exitCodes.usage);
  }
  const place = await placeOf(values, io);
  const text: ApiClient['text'] = (path, query) => {
    const wanted = Object.entries(query).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    );
    const parameters = new URLSearchParams(wanted).toString();
    return call(place, 'GET', parameters === '' ? path : `${path}?${parameters}`, null);
  };
  return {
    get: async (path, query = {}) => JSON.parse((await text(path, query)).text) as unknown,
    download: (path, query, file) => {
      const pairs = query.map(([name, value]): [string, string] => [name, value]);
      const parameters = new URLSearchParams(pairs).toString();
      return download(place, parameters === '' ? path : `${path}?${parameters}`, file);
    },
    post: async (path, body) =>
      JSON.parse((await call(place, 'POST', path, JSON.stringify(body))).text) as unknown,
    text,
  };
}
