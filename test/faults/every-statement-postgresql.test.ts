import { describeDeaths } from './deaths.js';
import { fullSnapshot } from './scenarios.js';

describeDeaths('postgresql', [[fullSnapshot, { first: 1, stride: 1 }]]);
