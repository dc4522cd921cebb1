/** Who may import whom: the table of docs/architecture.md, checked by `npm test`. */

/** The rooms of the house, from the ground up: each imports those before it, and none after it. */
const ROOMS = (
  'values settings logging database queue http runtime migrations definitions audit limits outbox sync ' +
  'patients payments settlement claims accounts cashflow webhooks access ops cli'
).split(' ');

/** The rooms of the engine in the same order: a snapshot walks through them once. */
const ENGINE = (
  'sources logs model tables staging leases snapshots bytes json read reconcile ' +
  'changes lists intake schema verify jobs api'
).split(' ');

/** What works beside each other, each without knowing of the others. */
const SERVICES = '^src/(patients|payments|settlement|claims|accounts|cashflow|webhooks|access|ops|cli)/';

/** What composes the rooms. */
const APPLICATION = '^src/(app\\.module|server|local-application|api-docs)\\.ts$';

/** A rule for each room of a list: it imports none of those after it. */
function inOrder(rooms, folder) {
  return rooms.slice(0, -1).map((room, index) => ({
    name: `${room}-is-below-${rooms[index + 1]}`,
    severity: 'error',
    from: { path: `^${folder}/${room}/` },
    to: { path: `^${folder}/(${rooms.slice(index + 1).join('|')})/` },
  }));
}

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-ring-of-folders', severity: 'error', scope: 'folder', from: {}, to: { circular: true } },
    ...inOrder(ROOMS, 'src'),
    ...inOrder(ENGINE, 'src/sync'),
    {
      name: 'the-module-of-the-engine-is-above-its-rooms',
      severity: 'error',
      from: { path: '^src/sync/[^/]+/' },
      to: { path: '^src/sync/[^/]+\\.ts$' },
    },
    {
      name: 'the-application-is-above-all-rooms',
      severity: 'error',
      from: { path: '^src/[^/]+/' },
      to: { path: '^src/[^/]+\\.ts$' },
    },
    {
      name: 'services-do-not-know-of-each-other',
      severity: 'error',
      from: { path: SERVICES },
      to: {
        path: SERVICES,
        pathNot: [
          '^src/$1/',
          // Claims add to its outbox and show the state of their payment.
          '^src/settlement/(payment-outbox|payment-notification\\.entity|payment-state)\\.ts$',
          // The command line makes keys and bank transactions, and shows what others have found and how far pulls are.
          '^src/access/',
          '^src/cashflow/(maker|exposer)/',
          '^src/cashflow/pull/pull-view\\.ts$',
          '-verdict\\.ts$',
        ],
      },
    },
    {
      name: 'claims-alone-know-of-settlement',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(settlement|claims)/', APPLICATION] },
      to: { path: '^src/settlement/' },
    },
    {
      name: 'the-command-line-alone-knows-of-access',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(access|cli)/', APPLICATION] },
      to: { path: '^src/access/' },
    },
    {
      name: 'of-the-audit-others-see-what-they-tell-it',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/audit/', APPLICATION] },
      to: { path: '^src/audit/', pathNot: '^src/audit/(audited|append-audit|exports|audit-verdict)\\.ts$' },
    },
    {
      name: 'of-the-limits-others-see-the-mark-of-a-route',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/limits/', APPLICATION] },
      to: { path: '^src/limits/', pathNot: '^src/limits/route-limit\\.ts$' },
    },
    // What analyses are checked against must share no code with them.
    {
      name: 'the-data-maker-sees-itself-alone',
      severity: 'error',
      from: { path: '^src/cashflow/maker/' },
      to: { path: '^src/', pathNot: '^src/cashflow/maker/' },
    },
    {
      name: 'the-data-exposer-sees-itself-and-the-data-maker-alone',
      severity: 'error',
      from: { path: '^src/cashflow/exposer/' },
      to: { path: '^src/', pathNot: '^src/cashflow/(exposer|maker)/' },
    },
    {
      name: 'nobody-but-the-command-line-knows-of-the-data-maker-and-exposer',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cashflow/(maker|exposer)|cli)/' },
      to: { path: '^src/cashflow/(maker|exposer)/' },
    },
    {
      name: 'entry-points-are-imported-by-nobody',
      severity: 'error',
      from: {},
      to: { path: '^src/(main|cli)\\.ts$' },
    },
    // Of express we use the types alone; the code is Nest's platform's.
    {
      name: 'no-development-package-at-run-time',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.(spec|fixture)\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '^node_modules/(@types|express)/' },
    },
    { name: 'nothing-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
