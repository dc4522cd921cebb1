import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { constants, createBrotliCompress, createGzip, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import { loadConfig } from '../../src/settings/config.js';
import type { Server } from '../../src/server.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { aPatient, Sender } from '../http/sender.js';
import { BUILT_SERVER, killServerProcesses, ServerProcess } from '../setup/server-process.js';
import { IS_EXHAUSTIVE, sample } from '../setup/exhaustive.js';
import { createDatabase, startTestServer, TestServer } from '../setup/test-server.js';

const MIB = 2 ** 20;

/** The size of a body after decompression. */
const INFLATED_BYTES = 300 * MIB;

/** The limit of the server's memory growth, well below the 300 MiB of one decompressed body. */
const MAX_GROWTH_BYTES = 150 * MIB;

/** Time to compress and process hundreds of MiB on a busy machine. */
const LONG_MS = 300_000;

const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
const COMPRESSORS = {
  gzip: () => createGzip(),
  br: () => createBrotliCompress(BROTLI),
  zstd: () => createZstdCompress(ZSTD),
};
type Encoding = keyof typeof COMPRESSORS;
const ENCODINGS = Object.keys(COMPRESSORS) as Encoding[];

/** Bodies that begin like a snapshot and then repeat one byte. */
const SHAPES: [what: string, head: string, fill: string][] = [
  ['one string without end', '[{"externalId":"1","firstName":"', 'x'],
  ['blanks', '[', ' '],
  ['nothing but brackets', '[', '['],
];

async function bomb(encoding: Encoding, head: string, fill: string): Promise<Buffer> {
  const piece = Buffer.alloc(MIB, fill);
  const pieces = function* () {
    yield Buffer.from(head);
    for (let bytes = 0; bytes < INFLATED_BYTES; bytes += MIB) yield piece;
  };
  return Buffer.concat(await Readable.from(pieces()).pipe(COMPRESSORS[encoding]()).toArray());
}

/** All shapes in each encoding where the tests are exhaustive, else another shape in each, from a drawn one on. */
function kindsOfBombs(): { encoding: Encoding; what: string; head: string; fill: string }[] {
  const shapes = SHAPES.map(([what, head, fill]) => ({ what, head, fill }));
  if (IS_EXHAUSTIVE) return ENCODINGS.flatMap((encoding) => shapes.map((shape) => ({ encoding, ...shape })));
  const names = shapes.map(({ what }) => what);
  const [drawn = ''] = sample(`the shape of the bomb in ${ENCODINGS[0]}`, names, 1);
  const first = names.indexOf(drawn);
  const inTurn = [...shapes.slice(first), ...shapes.slice(0, first)];
  return inTurn.flatMap((shape, n) => ENCODINGS.slice(n, n + 1).map((encoding) => ({ encoding, ...shape })));
}

afterAll(() => killServerProcesses());

describe('a body of a few hundred kB that decompresses to 300 MiB', () => {
  let bodies: { what: string; encoding: Encoding; body: Buffer }[];

  beforeAll(async () => {
    bodies = await Promise.all(
      kindsOfBombs().map(async ({ encoding, what, head, fill }) => {
        return { what, encoding, body: await bomb(encoding, head, fill) };
      }),
    );
    for (const { body } of bodies) expect(body.length).toBeLessThan(MIB);
  }, LONG_MS);

  async function onServer(
    settings: Record<string, string>,
    attack: (sender: Sender) => Promise<void>,
  ): Promise<number> {
    const env = { DATABASE_URL: await createDatabase(), PORT: '0', LOG_LEVEL: 'error', ...settings };
    const server = await ServerProcess.start(env, { main: BUILT_SERVER });
    const from = new Sender(new TestServer({ url: server.url } as Server, env.DATABASE_URL, loadConfig(env)));
    // Memory that ordinary snapshots take does not count.
    for (let n = 0; n < 5; n++) await from.mirror('/patients', JSON.stringify([aPatient()]).padEnd(4 * MIB + n));
    const rest = server.peakMemory();
    await attack(from);
    const grown = server.peakMemory() - rest;
    await server.stop();
    return grown;
  }

  it(
    'is answered 413 at the limit, and is not decompressed any further',
    async () => {
      const grown = await onServer({ MAX_BODY_BYTES: String(10 * MIB) }, async (from) => {
        for (const { encoding, body } of bodies) {
          const response = await from.post('/patients', body, { 'Content-Encoding': encoding });
          expect({ encoding, status: response.status }).toEqual({ encoding, status: 413 });
          await response.body?.cancel();
        }
        expect(await from.patientIds()).toEqual(['1']);
      });

      expect(grown).toBeLessThan(MAX_GROWTH_BYTES);
    },
    LONG_MS,
  );

  it(
    'below the limit becomes a job that fails, within the same memory',
    async () => {
      const outcomes: unknown[] = [];
      const grown = await onServer({}, async (from) => {
        // All of them are sent at once; where there are nine, to three sources.
        const accepted = await Promise.all(
          bodies.map(async ({ what, encoding, body }, n) => {
            const headers = { 'Content-Encoding': encoding, 'X-Source': `bomb-${Math.floor(n / SHAPES.length)}` };
            const response = await from.post('/patients?mode=partial', body, headers);
            return { what, job: (await response.json()) as JobView, headers };
          }),
        );
        for (const { what, job, headers } of accepted) {
          const { 'X-Source': source } = headers;
          let ended = job;
          while (ended.finishedAt === null) {
            ended = await from.get(`/sync/jobs/${job.id}`, { Prefer: 'wait=30', 'X-Source': source });
          }
          outcomes.push([what, ended.status, ended.error?.code]);
        }
        expect(await from.patientIds()).toEqual(['1']);
      });

      for (const [what, status, code] of outcomes as string[][]) {
        const expected = { [SHAPES[0]?.[0] ?? '']: 'record_too_large', [SHAPES[1]?.[0] ?? '']: 'truncated' };
        expect({ what, status, code }).toEqual({
          what,
          status: 'failed',
          code: expected[what ?? ''] ?? 'nesting_too_deep',
        });
      }
      expect(grown).toBeLessThan(MAX_GROWTH_BYTES);
    },
    LONG_MS,
  );
});

describe('a compressed body', () => {
  let server: TestServer;
  const text = JSON.stringify([aPatient()]);
  const gzip = gzipSync(text);

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(() => server.close());

  it.each(['gzip, gzip', 'gzip,gzip', 'gzip, identity', 'br, zstd', 'deflate', 'compress', 'x-gzip', '*', 'gzip;q=1'])(
    'with Content-Encoding %s is answered 415 with the supported encodings',
    async (encoding) => {
      const response = await new Sender(server).post('/patients', gzipSync(gzip), { 'Content-Encoding': encoding });

      expect(response.status).toBe(415);
      expect(response.headers.get('accept-encoding')).toBe('gzip, br, zstd');
    },
  );

  const zstd = zstdCompressSync(text);
  const flipped = Buffer.from(gzipSync(text.repeat(50)));
  flipped[Math.floor(flipped.length / 2)] = (flipped[Math.floor(flipped.length / 2)] ?? 0) ^ 0xff;

  it.each([
    ['cut short', 'gzip', gzip.subarray(0, -3)],
    ['cut in its header', 'gzip', gzip.subarray(0, 5)],
    ['with a wrong byte', 'gzip', flipped],
    ['with a wrong checksum', 'gzip', Buffer.concat([gzip.subarray(0, -8), Buffer.alloc(8)])],
    ['with trailing bytes', 'gzip', Buffer.concat([gzip, Buffer.from('x')])],
    ['that is not compressed', 'gzip', Buffer.from(text)],
    ['in another encoding', 'br', gzip],
    ['cut short', 'zstd', zstd.subarray(0, -3)],
    ['in another encoding', 'zstd', gzip],
    ['without content', 'gzip', Buffer.alloc(0)],
    ['without content', 'br', Buffer.alloc(0)],
    ['without content', 'zstd', Buffer.alloc(0)],
  ])('%s (%s) is answered 400 and not stored', async (_what, encoding, body) => {
    const from = new Sender(server);

    const response = await from.post('/patients', body, { 'Content-Encoding': encoding });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: expect.stringMatching(/^(not_inflatable|empty)$/) });
    expect(await from.storedSnapshots()).toBe(0);
  });

  it('with a window of more than 8 MiB is answered 400, as in RFC 9659', async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_compressionLevel]: 1 };
    const far = Buffer.concat(
      await Readable.from([Buffer.from('['), Buffer.alloc(16 * MIB, ' '), Buffer.from(']')])
        .pipe(createZstdCompress({ params }))
        .toArray(),
    );

    const response = await new Sender(server).post('/patients', far, { 'Content-Encoding': 'zstd' });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'not_inflatable' });
  });

  it('with the strongest ordinary compression is accepted', async () => {
    const params = { [constants.ZSTD_c_compressionLevel]: 19 };
    const body = zstdCompressSync(`[${' '.repeat(16 * MIB)}]`, { params });

    expect(await new Sender(server).mirror('/patients', body, { 'Content-Encoding': 'zstd' })).toMatchObject({
      status: 'completed',
    });
  });
});
