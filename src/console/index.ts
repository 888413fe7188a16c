/**
 * @module console — people in, decisions and approvals out: the REST API, health and metrics. Refuses agents.
 */
export { createPeopleApp } from './app.ts';
export { createMetrics, type Metrics } from './metrics.ts';
export type { ConsolePorts, DecisionReader, PartStatus, Place } from './ports.ts';
export { createPeopleServer } from './server.ts';
