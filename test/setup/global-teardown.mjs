import { rmSync } from 'node:fs';

export default async function globalTeardown() {
  const { testPostgres } = globalThis;
  await testPostgres?.postgres.stop();
  if (testPostgres) rmSync(testPostgres.dataDir, { recursive: true, force: true });
}
