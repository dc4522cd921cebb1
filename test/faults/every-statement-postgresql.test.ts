import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { describeDeaths, describeJointDeaths } from './deaths.js';
import { allScenarios, heldSnapshot, partialSnapshot } from './scenarios.js';
import { allWindowScenarios, approvedWindow, windowSnapshot } from './window-scenarios.js';

if (IS_EXHAUSTIVE) describeDeaths('postgresql', [...allScenarios, ...allWindowScenarios]);
else describeJointDeaths('postgresql', [windowSnapshot, approvedWindow, partialSnapshot, heldSnapshot]);
