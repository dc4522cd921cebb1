import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sender } from '../contract/sender.js';
import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { DeclaredModel, externalIdOf, fieldsOf, type Scope, type SentRecord } from './declared-model.js';
import { BUNDLED, drawResources, Random, type RandomResource, toYaml } from './random-resources.js';

/** The definitions and the steps follow from it; it is printed, and taken from the environment. */
const SEED = Number(process.env['SAMPLE_SEED'] ?? 1);
const STEPS = Number(process.env['MODEL_STEPS'] ?? (IS_EXHAUSTIVE ? 300 : 40));
const WORLDS = IS_EXHAUSTIVE ? 4 : 2;

const CODES = ['a', 'b', 'c|d', 'e\\'];
const PARTS = ['1', '2'];

describe.each(Array.from({ length: WORLDS }, (_, n) => SEED + n))(
  'declared resources drawn with SAMPLE_SEED=%d',
  (seed) => {
    const random = new Random(seed);
    const resources = drawResources(random);
    const model = new DeclaredModel(resources);
    let server: TestServer;
    let sender: Sender;
    let directory: string;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'counterpart-model-'));
      const declared = resources.filter((each) => !BUNDLED.includes(each));
      await Promise.all(declared.map((each) => writeFile(join(directory, `${each.name}.yaml`), toYaml(each))));
      server = await startTestServer({ RESOURCES_DIR: directory, backend: random.of(['postgresql', 'redis']) });
      sender = new Sender(server);
    });

    afterAll(async () => {
      await server.close();
      await rm(directory, { recursive: true });
    });

    it(
      'are what the last snapshots say, after every step',
      async () => {
        for (let step = 0; step < STEPS; step++) {
          const resource = random.of(resources);
          const scope = drawScope(random, resource);
          const records = Array.from({ length: random.below(7) }, () => drawRecord(random, resource, model));
          model.apply(resource, records, scope, (record) => isValid(resource, record));

          const job = await sender.mirror(resource.name, records, `deletes=apply&${queryOf(scope)}`);

          expect({ step, status: job.status, error: job.error }).toEqual({ step, status: 'completed', error: null });
          const found = await Promise.all(resources.map(({ name }) => sender.list<Record<string, unknown>>(name)));
          const shown = found.map((rows) => rows.map(withoutTimes));
          expect({ step, seed, sent: { resource, records, scope }, shown }).toEqual({
            step,
            seed,
            sent: { resource, records, scope },
            shown: resources.map((each) => model.listed(each)),
          });
        }
      },
      STEPS * 2_000,
    );
  },
);

function withoutTimes(row: Record<string, unknown>): Record<string, unknown> {
  const own = ['id', 'created', 'updated'];
  return Object.fromEntries(Object.entries(row).filter(([name]) => !own.includes(name)));
}

function drawScope(random: Random, { window, fields }: RandomResource): Scope {
  const mode = random.of(['full', 'partial', 'partial', 'window', 'window'] as const);
  if (mode !== 'window') return { mode };
  const kind = fields.find(({ name }) => name === window)?.kind;
  if (!kind) return { mode: 'partial' };
  const bounds = kind.type === 'date' ? ['2026-01-01', '2026-02-01', '2026-03-01'] : [-10, 0, 100];
  const from = random.below(2);
  return { mode, from: bounds[from] ?? null, to: bounds[from + 1 + random.below(2 - from)] ?? null };
}

function queryOf(scope: Scope): string {
  return scope.mode === 'window' ? `mode=window&from=${scope.from}&to=${scope.to}` : `mode=${scope.mode}`;
}

/** Parents are named by external ids that exist or may exist; now and then a value is bad. */
function drawRecord(random: Random, resource: RandomResource, model: DeclaredModel): SentRecord {
  const record: SentRecord = { [resource.key[0] ?? '']: random.of(CODES) };
  if (resource.key.includes('part')) record['part'] = random.of(PARTS);
  for (const { name, kind, isOptional } of resource.fields) {
    record[name] = isOptional && random.chance(30) ? null : random.of(kind.values);
  }
  for (const { by, resource: parent, isOptional } of resource.parents) {
    const ids = [...model.ids(parent), 'nobody', 'a', 'a|1'];
    record[by] = isOptional && random.chance(40) ? null : random.of(ids);
  }
  const [spoilt] = resource.fields;
  if (spoilt && random.chance(8)) record[spoilt.name] = spoilt.kind.bad;
  return record;
}

function isValid({ fields }: RandomResource, record: SentRecord): boolean {
  return fields.every(({ name, kind }) => record[name] !== kind.bad);
}

// What the model and the mirror call a record must be the same for the above to say anything.
it('has external ids that are the key, with what separates its parts escaped', () => {
  const resource = drawResources(new Random(1)).find(({ name }) => name === 'things-0');
  expect(externalIdOf({ ...(resource as RandomResource), key: ['code', 'part'] }, { code: 'c|d', part: 'e\\' })).toBe(
    'c\\|d|e\\\\',
  );
  expect(fieldsOf({ ...(resource as RandomResource), key: ['code'] })[0]).toBe('code');
});
