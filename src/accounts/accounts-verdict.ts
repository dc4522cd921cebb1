/** What is wrong in the ledger, or with an account. */
export interface LedgerFault {
  source: string;
  /** The number of the account or the id of the transfer. */
  subject: string;
  what: string;
}

/** The result of checking the whole ledger. */
export interface AccountsVerdict {
  accounts: number;
  transfers: number;
  entries: number;
  /** The first faults of each kind; empty if everything agrees. */
  faults: LedgerFault[];
}
