import { BACKENDS } from '../setup/test-server.js';
import { describeDeaths } from './deaths.js';
import {
  approvedSnapshot,
  heldSnapshot,
  truncatedSnapshot,
  partialSnapshot,
  revertedSnapshot,
  sameSnapshot,
} from './scenarios.js';

// The statements are the same on both queues: the other one walks through each of a whole reconciliation, this one
// through some of every other way that a job can go. A stride of 1 here, by hand, takes ten minutes.
describeDeaths(BACKENDS.at(-1) ?? 'postgresql', [
  [partialSnapshot, { first: 2, stride: 11 }],
  [heldSnapshot, { first: 5, stride: 13 }],
  [approvedSnapshot, { first: 7, stride: 13 }],
  [truncatedSnapshot, { first: 3, stride: 7 }],
  [revertedSnapshot, { first: 4, stride: 13 }],
  [sameSnapshot, { first: 1, stride: 4 }],
]);
