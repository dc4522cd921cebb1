import { afterAll, beforeAll, describe, it } from '@jest/globals';
import fc from 'fast-check';
import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { backendsOr, startTestServer, type TestServer } from '../setup/test-server.js';
import { FeedConsumer } from './feed-consumer.js';
import { type Command, story } from './model-commands.js';
import { Sender } from './sender.js';

/** The stories differ in each run; a failure prints its story and the seed. For more of them: `PROPERTY_RUNS=1000`. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? (IS_EXHAUSTIVE ? 20 : 4));
const LIMIT_MS = Math.max(30_000, RUNS * 8_000);

const RESOURCES = ['patients', 'payments'] as const;

describe.each(backendsOr('postgresql'))('on the %s queue', (backend) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ backend, MAX_CONCURRENT_UPLOADS: 100 });
  });

  afterAll(() => server.close());

  it(
    'a consumer that follows the feed has a copy of the mirror, however many snapshots come at once',
    async () => {
      const pageSizes = fc.array(fc.constantFrom(1, 2, 3, 7, 1000), { minLength: 1, maxLength: 5 });
      const deadline = Date.now() + LIMIT_MS;
      const property = fc.asyncProperty(story, story, pageSizes, async (one, other, limits) => {
        // On a busy machine fewer stories are played; one that has begun is played to its end.
        if (Date.now() > deadline) return;
        // At the same time, as sources do not affect each other.
        await Promise.all([play(server, one, limits), play(server, other, limits)]);
      });
      await fc.assert(property, { numRuns: RUNS, unbiased: true });
    },
    LIMIT_MS + 60_000,
  );
});

/** Sends the snapshots of a story, patients and payments at the same time, while consumers read. */
async function play(server: TestServer, commands: Command[], limits: number[]): Promise<void> {
  const sender = new Sender(server);
  const consumers = [undefined, ...RESOURCES].map((resource) => new FeedConsumer(server, sender.source, resource));
  let isOver = false;
  const reading = consumers.map(async (consumer) => {
    for (let page = 0; !isOver; page++) await consumer.poll(limits[page % limits.length], 1);
  });
  try {
    await Promise.all(RESOURCES.map((resource) => sendAll(sender, commands, resource)));
  } finally {
    isOver = true;
    await Promise.all(reading);
  }
  const late = new FeedConsumer(server, sender.source);
  for (const consumer of [...consumers, late]) {
    await consumer.readToTheEnd(limits[0]);
    await consumer.expectToEqualTheMirror();
  }
}

/** Sends without waiting in between, so that jobs queue up. */
async function sendAll(sender: Sender, commands: Command[], resource: string): Promise<void> {
  const sent: { id: string }[] = [];
  for (const command of commands) {
    if (command.kind !== 'submit' || command.resource !== resource) continue;
    const { mode, dryRun } = command.options;
    const records = command.records.map((record) => record.sent);
    sent.push(await sender.submit(resource, records, `mode=${mode}&deletes=apply&dryRun=${dryRun}`));
  }
  for (const job of sent) await sender.finished(job);
}
