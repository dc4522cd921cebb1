/** What is wrong in the ledger, or with an account. */
export interface LedgerFault {
  source: string;
  /** The number of the account or the id of the transfer. */
  subject: string;
  what: string;
}

/** What going through the whole ledger has come to. */
export interface AccountsVerdict {
  accounts: number;
  transfers: number;
  entries: number;
  /** The first faults of each kind; none if everything agrees. */
  faults: LedgerFault[];
}
