import { afterAll, beforeAll, describe } from '@jest/globals';
import type { Definition } from '../../src/definitions/definition.js';
import { readResourceFiles } from '../../src/definitions/resource-files.js';
import { resources } from '../../src/resources.js';
import { IS_EXHAUSTIVE, sample } from '../setup/exhaustive.js';
import { backendsInTurn, startTestServer, type TestServer } from '../setup/test-server.js';
import { resourceContract } from './resource-contract.js';
import { revertContract } from './revert-contract.js';

const RESOURCES_DIR = 'test/resources';

const bundled = resources.map(({ definition }) => definition);
const { definitions } = await readResourceFiles(RESOURCES_DIR, bundled);
const chosen = [...chosenOf('bundled', bundled), ...chosenOf('declared', definitions)];

// The queue knows nothing of resources: one backend serves one of them, the other one the other.
chosen.forEach((definition, index) => {
  describe.each(backendsInTurn(index))('on the %s queue', (backend) => {
    let server: TestServer;

    beforeAll(async () => {
      server = await startTestServer({ backend, RESOURCES_DIR, MAX_CONCURRENT_UPLOADS: 100 });
    });

    afterAll(() => server.close());

    resourceContract(definition, () => server);
    revertContract(definition, () => server);
  });
});

/** One of the kind, or all of them where the tests are exhaustive. */
function chosenOf(kind: string, all: Definition[]): Definition[] {
  const names = all.map(({ name }) => name);
  const drawn = IS_EXHAUSTIVE ? names : sample(`${kind} resources`, names, 1);
  return all.filter(({ name }) => drawn.includes(name));
}
