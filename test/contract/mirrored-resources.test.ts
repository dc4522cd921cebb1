import { afterAll, beforeAll, describe } from '@jest/globals';
import { resources } from '../../src/resources.js';
import { BACKENDS, startTestServer, type TestServer } from '../setup/test-server.js';
import { resourceContract } from './resource-contract.js';
import { revertContract } from './revert-contract.js';

describe.each(BACKENDS)('on the %s queue', (backend) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ backend, MAX_CONCURRENT_UPLOADS: 100 });
  });

  afterAll(() => server.close());

  for (const { definition } of resources) {
    resourceContract(definition, () => server);
    revertContract(definition, () => server);
  }
});
