import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { describeDeaths, describeJointDeaths } from './deaths.js';
import { fullSnapshot, otherScenarios } from './scenarios.js';

if (IS_EXHAUSTIVE) describeDeaths('postgresql', [fullSnapshot, ...otherScenarios]);
else describeJointDeaths('postgresql', [fullSnapshot, ...otherScenarios.slice(0, 3)]);
