import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { BACKENDS } from '../setup/test-server.js';
import { describeDeaths } from './deaths.js';
import { fullSnapshot, otherScenarios } from './scenarios.js';

// And a sample goes through every other way that a job can go on this one, if Redis is there.
describeDeaths(BACKENDS.at(-1) ?? 'postgresql', [
  ...otherScenarios.map((scenario) => [scenario, 'ends'] as const),
  ...(IS_EXHAUSTIVE ? [[fullSnapshot, 'transactions'] as const] : []),
]);
