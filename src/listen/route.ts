import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { RequestTarget } from '../kube/request.ts';
import { stripSegments } from '../kube/target.ts';

/** Where a request on the data port goes. */
export type Route =
  | { readonly kind: 'metadata' }
  | {
      readonly kind: 'cluster';
      /** Null is the default cluster. */
      readonly cluster: string | null;
      /** The task that the client says it works on: a label within its identity. */
      readonly task: string | null;
      /** What is left for the cluster. */
      readonly target: RequestTarget;
    };

const TASK = /^[A-Za-z0-9._-]{1,128}$/;

function takeTask(
  target: RequestTarget,
): Result<Omit<Route & { kind: 'cluster' }, 'cluster'>, Refusal> {
  const [first, task] = target.segments;
  if (first !== 's') return ok({ kind: 'cluster', task: null, target });
  if (task === undefined || !TASK.test(task)) {
    return err(
      refusal(
        'HOLDGATE_LISTEN_TARGET_MALFORMED',
        'a task in the path (/s/<task>/…) has 1 to 128 letters, digits, dots, dashes or underscores',
      ),
    );
  }
  return ok({ kind: 'cluster', task, target: stripSegments(target, 2) });
}

/**
 * The routes of the data port: `/.well-known/oauth-protected-resource[/…]`, `/clusters/<name>/[s/<task>/]…`,
 * `/s/<task>/…`, and everything else for the default cluster, health checks included.
 */
export function routeTarget(target: RequestTarget): Result<Route, Refusal> {
  const [first, second] = target.segments;
  if (first === '.well-known' && second === 'oauth-protected-resource') {
    return ok({ kind: 'metadata' });
  }
  const named = first === 'clusters';
  const task = takeTask(named ? stripSegments(target, 2) : target);
  if (!task.ok) return task;
  return ok({ cluster: named ? (second ?? '') : null, ...task.value });
}
