import { err, ok, type Result } from '../../base/result.ts';
import { openNote, parseVerifier, signNote, type Signer, type Verifier } from './signed-note.ts';

/**
 * The certificate of a stream's key: a note that the deployment key signed, six lines. It is the stream's first leaf and
 * a leaf of the ledger, so that no stream can have been there unnoticed.
 */
export type StreamCertificate = {
  readonly deployment: string;
  readonly stream: string;
  /** The public key of the stream, by which its checkpoints are signed. */
  readonly vkey: string;
  /** Host and process, for people. */
  readonly replica: string;
  /** RFC 3339. */
  readonly openedAt: string;
};

/** The first line: what keeps a certificate from being read as a checkpoint, and the other way round. */
const title = 'holdgate/stream-certificate/v1';

/** The origin of a deployment's ledger; also the name of the deployment key, as C2SP asks of a log's key. */
export const ledgerOrigin = (deployment: string): string => `${deployment}/ledger`;

/** The deployment whose key is called so; null for the name of any other key. */
export function deploymentOf(keyName: string): string | null {
  const [, deployment] = /^([a-z0-9](?:[-.a-z0-9]{0,62}[a-z0-9])?)\/ledger$/.exec(keyName) ?? [];
  return deployment ?? null;
}

/** The origin of a stream's checkpoints; also the name of its key. */
export const streamOrigin = (deployment: string, stream: string): string =>
  `${deployment}/stream/${stream}`;

/** The certificate as a signed note. */
export function signCertificate(certificate: StreamCertificate, deploymentKey: Signer): string {
  const { deployment, stream, vkey, replica, openedAt } = certificate;
  const lines = [
    title,
    `deployment ${deployment}`,
    `stream ${stream}`,
    `key ${vkey}`,
    `replica ${oneLine(replica)}`,
    `opened ${openedAt}`,
  ];
  return signNote(`${lines.join('\n')}\n`, deploymentKey);
}

/**
 * Reads a certificate that the deployment key signed, and the verifier of the stream's checkpoints. The key must have the
 * name of the stream's origin: a certificate vouches for one stream only. The error is a sentence.
 */
export function openCertificate(
  note: string,
  deploymentKey: Verifier,
): Result<StreamCertificate & { readonly verifier: Verifier }, string> {
  const text = openNote(note, [deploymentKey]);
  if (!text.ok) return text;
  const [, deployment = '', stream = '', vkey = '', replica = '', openedAt = ''] =
    /^holdgate\/stream-certificate\/v1\ndeployment (\S+)\nstream (\S+)\nkey (\S+)\nreplica ([^\n]*)\nopened (\S+)\n$/.exec(
      text.value,
    ) ?? [];
  const verifier = parseVerifier(vkey);
  if (!verifier.ok) return err('it is no certificate of a stream');
  if (
    verifier.value.name !== streamOrigin(deployment, stream) ||
    deploymentKey.name !== ledgerOrigin(deployment)
  ) {
    return err('it names another deployment or stream than its keys');
  }
  return ok({ deployment, stream, vkey, replica, openedAt, verifier: verifier.value });
}

/** A host may call itself anything; a note is lines. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what a note must not hold
  return text.slice(0, 256).replace(/[\0-\x1f\x7f\p{Surrogate}]/gu, '?');
}
