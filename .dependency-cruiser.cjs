/** Who may import whom: the table of docs/architecture.md, checked by `npm test`. */
const RESOURCES = '^src/(patients|payments)/';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'platform-knows-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/platform/' },
      to: { path: '^src/', pathNot: '^src/platform/' },
    },
    {
      name: 'definitions-see-the-ground-alone',
      severity: 'error',
      from: { path: '^src/definitions/' },
      to: { path: '^src/', pathNot: '^src/(definitions|platform)/' },
    },
    {
      name: 'the-engine-names-no-resource',
      severity: 'error',
      from: { path: '^src/sync/' },
      to: { path: '^src/', pathNot: '^src/(sync|definitions|platform)/' },
    },
    {
      name: 'a-resource-sees-the-engine-and-other-resources-entities-alone',
      severity: 'error',
      from: { path: '^src/(patients|payments)/' },
      to: { path: '^src/', pathNot: ['^src/(sync|definitions|platform)/', '^src/$1/', '\\.entity\\.ts$'] },
    },
    {
      name: 'ops-access-and-cli-name-no-resource',
      severity: 'error',
      from: { path: '^src/(ops|access|cli)/' },
      to: { path: [RESOURCES, '^src/resources\\.ts$'] },
    },
    {
      name: 'access-sees-the-engine-alone',
      severity: 'error',
      from: { path: '^src/access/' },
      to: { path: '^src/', pathNot: '^src/(access|sync|platform)/' },
    },
    // What rooms need of it is in platform: who calls (caller.ts), and what a route wants (wants.ts).
    {
      name: 'nobody-but-the-application-and-the-command-line-knows-of-access',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(access/|cli/|app\\.module\\.ts$|server\\.ts$|api-docs\\.ts$)' },
      to: { path: '^src/access/' },
    },
    {
      name: 'webhooks-see-the-engine-alone',
      severity: 'error',
      from: { path: '^src/webhooks/' },
      to: { path: '^src/', pathNot: '^src/(webhooks|sync|platform)/' },
    },
    {
      name: 'nobody-but-the-application-knows-of-webhooks',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(webhooks/|app\\.module\\.ts$)' },
      to: { path: '^src/webhooks/' },
    },
    {
      name: 'settlement-sees-the-engine-alone',
      severity: 'error',
      from: { path: '^src/settlement/' },
      to: { path: '^src/', pathNot: '^src/(settlement|sync|platform)/' },
    },
    // Claims use its outbox and show the state of their payment; it does not import them.
    {
      name: 'nobody-but-the-application-and-claims-knows-of-settlement',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(settlement/|claims/|app\\.module\\.ts$|server\\.ts$)' },
      to: { path: '^src/settlement/' },
    },
    {
      name: 'claims-see-the-engine-and-the-outbox-of-settlement-alone',
      severity: 'error',
      from: { path: '^src/claims/' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/(claims|sync|platform)/',
          '^src/settlement/(payment-outbox|payment-notification\\.entity|payment-state)\\.ts$',
        ],
      },
    },
    {
      name: 'nobody-but-the-application-knows-of-claims',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(claims/|app\\.module\\.ts$|local-application\\.ts$)' },
      to: { path: '^src/claims/' },
    },
    {
      name: 'audit-sees-the-engine-alone',
      severity: 'error',
      from: { path: '^src/audit/' },
      to: { path: '^src/', pathNot: '^src/(audit|sync|platform)/' },
    },
    {
      name: 'nobody-but-the-application-knows-of-audit',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(audit/|app\\.module\\.ts$|server\\.ts$|local-application\\.ts$)' },
      to: { path: '^src/audit/' },
    },
    {
      name: 'accounts-see-the-engine-alone',
      severity: 'error',
      from: { path: '^src/accounts/' },
      to: { path: '^src/', pathNot: '^src/(accounts|sync|platform)/' },
    },
    {
      name: 'nobody-but-the-application-knows-of-accounts',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(accounts/|app\\.module\\.ts$|local-application\\.ts$)' },
      to: { path: '^src/accounts/' },
    },
    {
      name: 'limits-see-the-ground-alone',
      severity: 'error',
      from: { path: '^src/limits/' },
      to: { path: '^src/', pathNot: '^src/(limits|platform)/' },
    },
    {
      name: 'nobody-but-the-application-knows-of-limits',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(limits/|app\\.module\\.ts$|server\\.ts$)' },
      to: { path: '^src/limits/' },
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
