import Sequencer from '@jest/test-sequencer';

/**
 * Jest starts large files first, and on a fresh clone knows nothing else of how long they take. The walks through every
 * statement are short files that take minutes: begun last, each would run on alone.
 */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const isWalk = ({ path }) => path.includes('every-statement');
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of Jest's, not an array's
    const sorted = super.sort(tests);
    return [...sorted.filter(isWalk), ...sorted.filter((test) => !isWalk(test))];
  }
}
