import { afterAll, beforeAll, describe } from '@jest/globals';
import { readResourceFiles } from '../../src/definitions/resource-files.js';
import { resources } from '../../src/resources.js';
import { IS_EXHAUSTIVE, sample } from '../setup/exhaustive.js';
import { backendsOr, startTestServer, type TestServer } from '../setup/test-server.js';
import { resourceContract } from './resource-contract.js';
import { revertContract } from './revert-contract.js';

const RESOURCES_DIR = 'test/resources';

const bundled = resources.map(({ definition }) => definition);
const { definitions } = await readResourceFiles(RESOURCES_DIR, bundled);
const names = definitions.map(({ name }) => name);
const chosen = IS_EXHAUSTIVE ? names : sample('declared resources', names, 1);

// The queue knows nothing of resources: each backend serves every second one.
[...bundled, ...definitions.filter(({ name }) => chosen.includes(name))].forEach((definition, index) => {
  describe.each(backendsOr(index % 2 === 0 ? 'postgresql' : 'redis'))('on the %s queue', (backend) => {
    let server: TestServer;

    beforeAll(async () => {
      server = await startTestServer({ backend, RESOURCES_DIR, MAX_CONCURRENT_UPLOADS: 100 });
    });

    afterAll(() => server.close());

    resourceContract(definition, () => server);
    revertContract(definition, () => server);
  });
});
