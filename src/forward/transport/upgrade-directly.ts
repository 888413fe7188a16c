import { refusal, type Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Credential } from '../credentials/credential.ts';
import { agreedProtocol, upgradeHeaders } from '../streams/offer.ts';
import type { UpgradeEnd, UpgradeRequest } from '../upstream.ts';
import { answerProblem, bearerHeader, credentialRefusal, ownHeaders } from './own-head.ts';
import type { EndpointTls } from './transport.ts';
import { sendUpgrade } from './upgrade.ts';

export type UpgradeContext = {
  readonly server: string;
  readonly url: URL;
  readonly prefix: string;
  readonly tls: Pick<EndpointTls, 'ca' | 'servername'>;
  readonly credential: Credential;
};

async function attempt(
  { url, prefix, tls, credential }: UpgradeContext,
  request: UpgradeRequest,
): Promise<Result<UpgradeEnd, Refusal>> {
  const token = await credential.token();
  if (!token.ok) return err(credentialRefusal(token.error));
  const handshake = upgradeHeaders(request.offer);
  const own = ownHeaders({ ...request, body: null }, url.host);
  const headers = [...own, ...handshake.headers, ...bearerHeader(token.value)];
  const endpoint = { origin: url.origin, tls: { ...tls, ...credential.tls().tls } };
  const target = `${prefix}${request.target}`;
  const { method, signal } = request;
  const sent = await sendUpgrade(endpoint, { method, target, headers, signal });
  if (!sent.ok) return sent;
  const answer = sent.value;
  if (answer.kind === 'answer') return ok(answer);
  const agreed = agreedProtocol(request.offer, handshake.key, answer.headers);
  if (agreed.ok) return ok({ ...answer, protocol: agreed.value });
  answer.socket.destroy();
  const what = 'the cluster did not upgrade the connection as it was asked to';
  return err(refusal('HOLDGATE_FORWARD_BROKEN', what, { detail: agreed.error }));
}

/** Opens a stream's connection to an API server; a 401 is tried once more with a renewed credential. */
export async function upgradeDirectly(
  context: UpgradeContext,
  request: UpgradeRequest,
): Promise<Result<UpgradeEnd, Refusal>> {
  let end = await attempt(context, request);
  if (end.ok && end.value.kind === 'answer' && end.value.status === 401) {
    context.credential.refused();
    end = await attempt(context, request);
  }
  if (!end.ok || end.value.kind === 'switched') return end;
  const problem = answerProblem(end.value.status, end.value.headers, context.server);
  return problem === null ? end : err(problem);
}
