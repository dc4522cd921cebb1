import { Migration20261121Initial } from './migration-20261121-initial.js';

/** All migrations, oldest first. As a list they need no file paths at run time. */
export const migrations = [{ name: 'Migration20261121Initial', class: Migration20261121Initial }];
