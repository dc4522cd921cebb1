import type { Application } from './cli/application.js';

/** The application as the commands use it; each part is loaded when a command first needs it. */
export const application: Application = {
  resourceNames: async (config) => (await import('./installation.js')).resourceNames(config),
  startServer: async (config, options) => (await import('./server.js')).startServer(config, options),
  migrationOptions: async (url) => (await import('./app.module.js')).migrationOptions(url),
  applyResources: async (config, allowLoss) => {
    const { applyResources, declaredResources } = await import('./installation.js');
    const declared = await declaredResources(config);
    return (client) => applyResources(client, declared, allowLoss ? 'with loss' : 'without loss');
  },
  checkResources: async (config) => {
    const { changesOfResources, declaredResources } = await import('./installation.js');
    const declared = await declaredResources(config);
    return (client) => changesOfResources(client, declared);
  },
  verifyMirror: async (config, url, part) => {
    const { declaredResources, tablesOf } = await import('./installation.js');
    const { verifyMirror } = await import('./sync/verify/verify-mirror.js');
    return verifyMirror(url, tablesOf(await declaredResources(config)), part);
  },
  verifyCashflow: async (url, source) => (await import('./cashflow/verify-cashflow.js')).verifyCashflow(url, source),
  verifyAccounts: async (url) => (await import('./accounts/verify-accounts.js')).verifyAccounts(url),
  verifyAudit: async (url, expected) => (await import('./audit/verify-audit.js')).verifyAudit(url, expected),
  verifyTotals: async (url, source) => (await import('./claims/totals-check.js')).verifyTotals(url, source),
  rebuildTotals: async (url, source) => (await import('./claims/totals-check.js')).rebuildTotals(url, source),
};
