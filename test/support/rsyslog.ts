import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../src/local/free-ports.ts';
import { loopbackCertificates } from './http-receiver.ts';

/** Debian's rsyslog: the program, its modules, and libraries beside it where it was only unpacked. */
export type RsyslogPrograms = {
  readonly program: string;
  readonly modules: string;
  readonly libraries: string | null;
};

/**
 * Where rsyslog is: installed, or unpacked (`dpkg -x`) under HOLDGATE_RSYSLOG. With TLS by OpenSSL (rsyslog-openssl). Null
 * where it is not there.
 */
export function rsyslogPrograms(
  env: Readonly<Record<string, string | undefined>>,
  isThere: (file: string) => boolean = existsSync,
): RsyslogPrograms | null {
  const root = env['HOLDGATE_RSYSLOG'] ?? '';
  const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const libraries = join(root, '/usr/lib', `${architecture}-linux-gnu`);
  const modules = join(libraries, 'rsyslog');
  const program = join(root, '/usr/sbin/rsyslogd');
  const isWhole = isThere(program) && isThere(join(modules, 'lmnsd_ossl.so'));
  return isWhole ? { program, modules, libraries: root === '' ? null : libraries } : null;
}

/** What rsyslog made of a message. */
export type RsyslogLine = Readonly<Record<string, string>>;

export type Rsyslog = {
  readonly port: number;
  readonly ca: string;
  /** What it has written so far. */
  readonly lines: () => readonly RsyslogLine[];
  /** Ends it, so that everything is written. */
  readonly stop: () => Promise<void>;
};

/** The properties of a message (rsyslog.com/doc, "Properties") as one line of JSON. */
const template = [
  ['pri', 'pri'],
  ['timestamp', 'timereported" dateFormat="rfc3339'],
  ['host', 'hostname'],
  ['app', 'app-name'],
  ['proc', 'procid'],
  ['id', 'msgid'],
  ['data', 'structured-data'],
  ['version', 'protocol-version'],
  ['message', 'msg'],
]
  .map(([name, property]) => `property(name="${property}" format="jsonf" outname="${name}")`)
  .join(' constant(value=", ") ');

/** Runs rsyslog on loopback, with TLS. */
export async function startRsyslog(programs: RsyslogPrograms): Promise<Rsyslog> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-rsyslog-'));
  const at = (name: string): string => join(directory, name);
  const { ca, certificate, key } = await loopbackCertificates();
  writeFileSync(at('ca.pem'), ca);
  writeFileSync(at('cert.pem'), certificate);
  writeFileSync(at('key.pem'), key, { mode: 0o600 });
  mkdirSync(at('work'));
  const [port = 0] = await freePorts([0]);
  writeFileSync(
    at('rsyslog.conf'),
    `global(workDirectory="${at('work')}" maxMessageSize="64k"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="${at('ca.pem')}"
  defaultNetstreamDriverCertFile="${at('cert.pem')}" defaultNetstreamDriverKeyFile="${at('key.pem')}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" port="${port}" address="127.0.0.1")
template(name="judged" type="list") { constant(value="{") ${template} constant(value="}\\n") }
*.* action(type="omfile" file="${at('out')}" template="judged")
`,
  );
  const env = programs.libraries === null ? {} : { LD_LIBRARY_PATH: programs.libraries };
  const args = ['-n', '-f', at('rsyslog.conf'), '-i', at('pid'), '-M', programs.modules];
  const child = spawn(programs.program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += part));
  await listening(child, port, () => said);
  return {
    port,
    ca,
    lines: () => linesOf(at('out')),
    stop: async () => {
      await ended(child);
      rmSync(directory, { recursive: true });
    },
  };
}

function linesOf(file: string): RsyslogLine[] {
  if (!existsSync(file)) return [];
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return whole.map((line) => JSON.parse(line) as RsyslogLine);
}

async function listening(child: ChildProcess, port: number, said: () => string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) break;
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await ended(child);
  throw new Error(`rsyslog does not listen: ${said()}`);
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
