import { systemClock } from '../base/clock.ts';
import { randomIds } from '../base/ids.ts';
import { openLocalIssuer, type LocalIdentityName } from '../local/index.ts';
import { CommandError, exitCodes, parse, type Command } from './command.ts';
import { dataDirectoryOf, placeOptions, readGatewayFile } from './gateway-file.ts';
import { json } from './output.ts';

const lifetimeSecondsDefault = 3600;

/** A token of the local issuer, made with the keys in the data directory. */
export async function localToken(
  dataDirectory: string,
  identity: LocalIdentityName,
  audience: string,
  lifetimeSeconds = lifetimeSecondsDefault,
): Promise<{ readonly token: string; readonly expires: string }> {
  const issuer = await openLocalIssuer({
    dataDirectory,
    peopleUrl: null,
    clock: systemClock,
    ids: randomIds,
  });
  if (!issuer.ok) throw new CommandError(issuer.error);
  const secret = await issuer.value.mintToken({ identity, audience, lifetimeSeconds });
  const expires = new Date(systemClock.nowMs() + lifetimeSeconds * 1000).toISOString();
  return { token: secret.reveal(), expires };
}

/** The identity that an option names. */
export function identityOf(name: string): LocalIdentityName {
  if (name === 'agent' || name === 'person') return name;
  throw new CommandError(
    `there is no local identity "${name}"; use agent or person`,
    exitCodes.usage,
  );
}

export const tokenCommand: Command = {
  name: 'token',
  summary: 'make a token of the local issuer (for a first run; loopback only)',
  help: `usage: holdgate token [--identity agent|person] [--people] [--exec-credential]

Makes a token of the local issuer with the keys in the data directory. Prints JSON.

  --identity NAME       agent (default) or person
  --people              for the people's port; default: for the data port
  --lifetime-seconds N  default 3600, at most 43200
  --exec-credential     print an ExecCredential, as kubectl wants it from a plugin
  -c, --config FILE     the gateway's configuration
  --data-directory DIR  default .holdgate
`,
  run: async (args, io) => {
    const { values } = parse(args, {
      ...placeOptions,
      identity: { type: 'string', default: 'agent' },
      people: { type: 'boolean', default: false },
      'lifetime-seconds': { type: 'string', default: String(lifetimeSecondsDefault) },
      'exec-credential': { type: 'boolean', default: false },
    });
    const lifetime = Number(values['lifetime-seconds']);
    if (!Number.isInteger(lifetime) || lifetime < 1 || lifetime > 43_200) {
      throw new CommandError('--lifetime-seconds is a number from 1 to 43200', exitCodes.usage);
    }
    const directory = await dataDirectoryOf(values, io);
    const gateway = readGatewayFile(directory);
    const audience = values.people ? gateway.peopleAudience : gateway.dataAudience;
    const made = await localToken(directory, identityOf(values.identity), audience, lifetime);
    const credential = {
      kind: 'ExecCredential',
      apiVersion: 'client.authentication.k8s.io/v1',
      // A minute early, so that kubectl asks for a new one before the old one is refused.
      status: {
        token: made.token,
        expirationTimestamp: new Date(Date.parse(made.expires) - 60_000).toISOString(),
      },
    };
    io.out(values['exec-credential'] ? `${JSON.stringify(credential)}\n` : json(made));
    return exitCodes.ok;
  },
};
