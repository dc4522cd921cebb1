const { transformSync } = require('@swc/core');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url');

const ROOT = join(__dirname, '../..');
const TESTS = pathToFileURL(join(ROOT, 'test/')).href;
const PACKAGES = pathToFileURL(join(ROOT, 'node_modules/')).href;

const { exclude: _specsAreTestsHere, ...SWC } = JSON.parse(readFileSync(join(ROOT, '.swcrc'), 'utf8'));

/** The globals of Jest for each test file that runs or has run in this process, by its number. */
const globalsOfRuns = new Map();
globalThis[Symbol.for('counterpart.test-globals')] = globalsOfRuns;

/**
 * Hooks for Node's module loader (`module.registerHooks`). TypeScript is compiled as it is imported, a millisecond for
 * each file. What a test file imports from `test/` is loaded for this file alone: the number of the run, which stands in
 * the query of its address, is handed on from module to module. All else is loaded once in a process.
 */
const hooks = {
  resolve(specifier, context, next) {
    const run = runOf(context.parentURL);
    if (specifier === '@jest/globals') return { url: `jest-globals:${run}`, format: 'module', shortCircuit: true };
    const isOurs = specifier.startsWith('.') && context.parentURL && !context.parentURL.startsWith(PACKAGES);
    const resolved = next(isOurs ? typescriptName(specifier, context.parentURL) : specifier, context);
    return run !== null && resolved.url.startsWith(TESTS) ? { ...resolved, url: testUrl(resolved.url, run) } : resolved;
  },

  load(url, context, next) {
    if (url.startsWith('jest-globals:')) return { format: 'module', source: globalsModule(url), shortCircuit: true };
    if (!url.startsWith('file:') || !new URL(url).pathname.endsWith('.ts')) return next(url, context);
    const filename = fileURLToPath(url);
    const options = { ...SWC, swcrc: false, filename, sourceMaps: 'inline', module: { type: 'es6' } };
    const { code } = transformSync(readFileSync(filename, 'utf8'), options);
    return { format: 'module', source: code, shortCircuit: true };
  },
};

/** The address under which a test module is loaded for one run of a test file. */
function testUrl(url, run) {
  return `${url}?run=${run}`;
}

function runOf(url) {
  return url === undefined ? null : (/\?run=(\d+)$/.exec(url)?.[1] ?? null);
}

/** Our imports name the compiled file, as Node wants it; built files below `dist` are imported as they are. */
function typescriptName(specifier, parentUrl) {
  return specifier.endsWith('.js') && parentUrl.split('?', 1)[0].endsWith('.ts') && !specifier.includes('/dist/')
    ? specifier.replace(/\.js$/, '.ts')
    : specifier;
}

function globalsModule(url) {
  const run = Number(url.slice('jest-globals:'.length));
  const names = Object.keys(globalsOfRuns.get(run)).join(', ');
  return `export const { ${names} } = globalThis[Symbol.for('counterpart.test-globals')].get(${run});`;
}

module.exports = { hooks, testUrl, globalsOfRuns };
