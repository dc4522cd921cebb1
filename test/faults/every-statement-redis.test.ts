import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { BACKENDS } from '../setup/test-server.js';
import { describeDeaths, describeJointDeaths } from './deaths.js';
import { fullSnapshot, otherScenarios } from './scenarios.js';

const backend = BACKENDS.at(-1) ?? 'postgresql';
if (IS_EXHAUSTIVE) describeDeaths(backend, [fullSnapshot, ...otherScenarios]);
else describeJointDeaths(backend, [fullSnapshot, ...otherScenarios.slice(3)]);
