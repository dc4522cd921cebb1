import { describeDeaths } from './deaths.js';
import { fullSnapshot } from './scenarios.js';

// Every statement, in three walks.
describeDeaths(
  'postgresql',
  [1, 2, 3].map((first) => [fullSnapshot, { first, stride: 3 }]),
);
