import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { describeDeaths } from './deaths.js';
import { fullSnapshot, otherScenarios } from './scenarios.js';

// The statements of a job are the same on both queues: a sample goes through a whole reconciliation on this one.
describeDeaths('postgresql', [
  [fullSnapshot, 'transactions'],
  ...(IS_EXHAUSTIVE ? otherScenarios.map((scenario) => [scenario, 'ends'] as const) : []),
]);
