import { describe, expect, test } from 'vitest';
import { ok } from '../../src/base/result.ts';
import { imagesDigest, podDrift } from '../../src/hold/pod-guard.ts';
import type { JsonObject } from '../../src/kube/request.ts';

const app = { name: 'app', image: 'app:1' };
const running = { ...app, imageID: 'sha256:a' };
const pod = (
  more: { readonly spec?: JsonObject; readonly status?: JsonObject } = {},
): JsonObject => ({
  kind: 'Pod',
  metadata: { name: 'checkout', uid: 'u-1', resourceVersion: '1' },
  spec: { containers: [app], ...more.spec },
  status: { containerStatuses: [{ ...running, ready: true, restartCount: 0 }], ...more.status },
});

describe('the approval of a session is about the containers of its pod', () => {
  const changes = [
    {
      what: 'another image runs',
      more: { status: { containerStatuses: [{ ...running, imageID: 'sha256:b' }] } },
    },
    {
      what: 'another image is to run',
      more: { spec: { containers: [{ ...app, image: 'app:2' }] } },
    },
    {
      what: 'a debug container was added whose status is not there yet',
      more: { spec: { ephemeralContainers: [{ name: 'debugger', image: 'shell:1' }] } },
    },
    {
      what: 'a debug container runs',
      more: {
        status: {
          ephemeralContainerStatuses: [{ name: 'debugger', image: 'shell:1', imageID: 'sha256:c' }],
        },
      },
    },
  ];
  test.each(changes)('$what: it is stale', async ({ more }) => {
    const guard = { kind: 'pod' as const, uid: 'u-1', images: imagesDigest(pod()) };
    const live = () =>
      Promise.resolve(ok({ status: 200, object: pod(more), body: Buffer.alloc(0) }));
    expect(await podDrift(guard, { live })).toEqual(ok('its containers run other images now'));
  });

  test('a restart, another order and readiness change nothing', () => {
    const two = { name: 'sidecar', image: 'side:1', imageID: 'sha256:s' };
    const before = pod({ status: { containerStatuses: [running, two] } });
    const after = pod({
      status: { containerStatuses: [two, { ...running, ready: false, restartCount: 3 }] },
    });
    expect(imagesDigest(after)).toBe(imagesDigest(before));
  });
});
