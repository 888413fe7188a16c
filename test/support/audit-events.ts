/** An audit event as the API server writes one: the end of a call that deletes a pod. */
export function someAuditEvent(more: object = {}): Record<string, unknown> {
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'request-1',
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/payments/pods/checkout-7b9',
    verb: 'delete',
    user: { username: 'gateway', groups: ['system:authenticated'] },
    sourceIPs: ['192.0.2.1'],
    userAgent: 'kubectl/v1.35.4',
    objectRef: {
      resource: 'pods',
      namespace: 'payments',
      name: 'checkout-7b9',
      apiVersion: 'v1',
    },
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: '2026-11-20T12:00:30.123456Z',
    stageTimestamp: '2026-11-20T12:00:30.223456Z',
    ...more,
  };
}
