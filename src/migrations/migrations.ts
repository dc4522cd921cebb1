import { Migration20261121AccessKeys } from './migration-20261121-access-keys.js';
import { Migration20261121Accounts } from './migration-20261121-accounts.js';
import { Migration20261121Audit } from './migration-20261121-audit.js';
import { Migration20261121Changes } from './migration-20261121-changes.js';
import { Migration20261121Claims } from './migration-20261121-claims.js';
import { Migration20261121ClaimPayments } from './migration-20261121-claim-payments.js';
import { Migration20261121Heartbeats } from './migration-20261121-heartbeats.js';
import { Migration20261121Initial } from './migration-20261121-initial.js';
import { Migration20261121Limits } from './migration-20261121-limits.js';
import { Migration20261121Reverts } from './migration-20261121-reverts.js';
import { Migration20261121Walls } from './migration-20261121-walls.js';
import { Migration20261121Webhooks } from './migration-20261121-webhooks.js';
import { Migration20261130JobRetention } from './migration-20261130-job-retention.js';
import { Migration20261130Partitions } from './migration-20261130-partitions.js';
import { Migration20261130PostingTimes } from './migration-20261130-posting-times.js';
import { Migration20261130CursorSecret } from './migration-20261130-cursor-secret.js';
import { Migration20261130Statistics } from './migration-20261130-statistics.js';
import { Migration20261201Windows } from './migration-20261201-windows.js';
import { Migration20261201Distributable } from './migration-20261201-distributable.js';
import { Migration20261201PatientTotals } from './migration-20261201-patient-totals.js';
import { Migration20261201Plans } from './migration-20261201-plans.js';
import { Migration20261201Resources } from './migration-20261201-resources.js';

/** All migrations, oldest first. Listed here, they need no file paths at run time. */
export const migrations = [
  { name: 'Migration20261121Initial', class: Migration20261121Initial },
  { name: 'Migration20261121Heartbeats', class: Migration20261121Heartbeats },
  { name: 'Migration20261121Webhooks', class: Migration20261121Webhooks },
  { name: 'Migration20261121Changes', class: Migration20261121Changes },
  { name: 'Migration20261121Reverts', class: Migration20261121Reverts },
  { name: 'Migration20261121Walls', class: Migration20261121Walls },
  { name: 'Migration20261121AccessKeys', class: Migration20261121AccessKeys },
  { name: 'Migration20261121Audit', class: Migration20261121Audit },
  { name: 'Migration20261121Limits', class: Migration20261121Limits },
  { name: 'Migration20261121Claims', class: Migration20261121Claims },
  { name: 'Migration20261121ClaimPayments', class: Migration20261121ClaimPayments },
  { name: 'Migration20261121Accounts', class: Migration20261121Accounts },
  { name: 'Migration20261130Statistics', class: Migration20261130Statistics },
  { name: 'Migration20261130Partitions', class: Migration20261130Partitions },
  { name: 'Migration20261130PostingTimes', class: Migration20261130PostingTimes },
  { name: 'Migration20261130JobRetention', class: Migration20261130JobRetention },
  { name: 'Migration20261130CursorSecret', class: Migration20261130CursorSecret },
  { name: 'Migration20261201Resources', class: Migration20261201Resources },
  { name: 'Migration20261201Windows', class: Migration20261201Windows },
  { name: 'Migration20261201Distributable', class: Migration20261201Distributable },
  { name: 'Migration20261201Plans', class: Migration20261201Plans },
  { name: 'Migration20261201PatientTotals', class: Migration20261201PatientTotals },
];
