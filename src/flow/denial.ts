import { refusal, type Refusal } from '../base/errors.ts';
import type { Because, Decision } from '../decide/index.ts';
import type { RequestAttributes } from '../kube/request.ts';

/** `delete pods "checkout" in namespace payments`, for messages. */
export function inWords(attributes: RequestAttributes, name: string): string {
  const what = attributes.resource === '' ? attributes.path : attributes.resource;
  const which = name === '' ? '' : ` "${name}"`;
  const where = attributes.namespace === '' ? '' : ` in namespace ${attributes.namespace}`;
  return `${attributes.verb} ${what}${which}${where}`;
}

function sentence(element: Because): string {
  const instead = element.instead === undefined ? '' : ` Instead: ${element.instead}.`;
  return `rule ${element.rule}/${element.id}: ${element.reason}.${instead}`;
}

/** A policy's deny as a refusal an agent can act on: which rule, why, what is allowed instead. */
export function denialOf(decision: Decision, attributes: RequestAttributes, name: string): Refusal {
  const said = decision.because.map(sentence).join(' ');
  const message = `${inWords(attributes, name)} is denied by ${said === '' ? 'policy.' : said}`;
  if (decision.failure !== undefined) {
    return refusal('HOLDGATE_DECIDE_POLICY_FAILED', message, { detail: decision.failure });
  }
  return refusal('HOLDGATE_DECIDE_DENIED', message, {
    causes: decision.because.map((element) => ({
      reason: `${element.rule}/${element.id}`,
      message: element.reason,
    })),
  });
}
