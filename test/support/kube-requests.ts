import { requestAttributes } from '../../src/kube/attributes.ts';
import { requestInfo } from '../../src/kube/request-info.ts';
import type { RequestAttributes } from '../../src/kube/request.ts';
import { parseTarget } from '../../src/kube/target.ts';

/** The attributes of a request line that is known to be good; throws where it is refused. */
export function attributesOf(method: string, raw: string): RequestAttributes {
  const target = parseTarget(raw);
  if (!target.ok) throw new Error(target.error.message);
  const info = requestInfo(method, target.value);
  if (!info.ok) throw new Error(info.error.message);
  const attributes = requestAttributes(method, target.value, info.value);
  if (!attributes.ok) throw new Error(attributes.error.message);
  return attributes.value;
}
