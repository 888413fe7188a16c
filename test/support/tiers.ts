import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import {
  isComplete,
  programCacheDirectory,
  programsIn,
  systemProgramSearchPorts,
} from '../../src/local/control-plane-programs.ts';
import { currentOpa, currentOpaVersion } from './current-opa.ts';
import { rsyslogPrograms } from './rsyslog.ts';

/** A set of tests by what it needs; `missing` says why it cannot run here, null where it can. */
export type Tier = {
  readonly name: string;
  readonly what: string;
  readonly missing: string | null;
};

export type Machine = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  readonly isProgram: (file: string) => boolean;
  readonly namesIn: (directory: string) => readonly string[];
  readonly currentOpa: string | null;
};

/** This machine. */
export function thisMachine(): Machine {
  return {
    env: process.env,
    homeDirectory: homedir(),
    isProgram: systemProgramSearchPorts.isProgram,
    namesIn: (directory) => {
      try {
        return readdirSync(directory);
      } catch {
        return [];
      }
    },
    currentOpa: currentOpa(),
  };
}

/** Debian keeps PostgreSQL's server programs off the PATH, one directory a version. */
const debianPostgres = '/usr/lib/postgresql';

function postgresMissing({ env, isProgram, namesIn }: Machine): string | null {
  if (env['DATABASE_URL'] !== undefined && env['DATABASE_URL'] !== '') return null;
  const directories = [
    ...(env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== ''),
    ...namesIn(debianPostgres).map((version) => join(debianPostgres, version, 'bin')),
  ];
  const found = directories.some(
    (directory) => isProgram(join(directory, 'initdb')) && isProgram(join(directory, 'postgres')),
  );
  return found
    ? null
    : 'needs DATABASE_URL, or PostgreSQL 15 or later installed (initdb, postgres)';
}

function clusterMissing({ env, homeDirectory, isProgram }: Machine): string | null {
  const cache = programCacheDirectory(env, homeDirectory);
  const programs = programsIn(cache, isProgram);
  if (programs !== null && isComplete(programs)) return null;
  return `needs the control plane's programs in ${cache}: build them with test/cluster/build.sh (Go 1.25, about 10 minutes, once)`;
}

function syslogMissing({ env, isProgram, namesIn }: Machine): string | null {
  // Modules are libraries, which nobody executes: only the program is looked for as one.
  const isThere = (file: string): boolean =>
    file.endsWith('.so') ? namesIn(dirname(file)).includes(basename(file)) : isProgram(file);
  return rsyslogPrograms(env, isThere) === null
    ? 'needs rsyslog and rsyslog-openssl installed, or unpacked under HOLDGATE_RSYSLOG'
    : null;
}

/** The tiers beyond the unit tests, and which of them a machine can run. */
export function tiersOf(machine: Machine): readonly Tier[] {
  return [
    { name: 'postgres', what: 'the store on PostgreSQL', missing: postgresMissing(machine) },
    { name: 'cluster', what: 'a real control plane', missing: clusterMissing(machine) },
    {
      name: 'opa',
      what: `the policies on OPA ${currentOpaVersion} too`,
      missing:
        machine.currentOpa === null
          ? `needs OPA ${currentOpaVersion}: set HOLDGATE_OPA_CURRENT to its file`
          : null,
    },
    {
      name: 'syslog',
      what: "messages as Debian's rsyslog reads them",
      missing: syslogMissing(machine),
    },
  ];
}
