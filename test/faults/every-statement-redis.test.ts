import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { BACKENDS } from '../setup/test-server.js';
import { describeDeaths, describeJointDeaths } from './deaths.js';
import { allScenarios, fullSnapshot, sameSnapshot, truncatedSnapshot } from './scenarios.js';
import { allWindowScenarios, parentsOfWindows, revertedWindow } from './window-scenarios.js';

const backend = BACKENDS.at(-1) ?? 'postgresql';
const joint = [fullSnapshot, revertedWindow, parentsOfWindows, truncatedSnapshot, sameSnapshot];
if (IS_EXHAUSTIVE) describeDeaths(backend, [...allScenarios, ...allWindowScenarios]);
else describeJointDeaths(backend, joint);
