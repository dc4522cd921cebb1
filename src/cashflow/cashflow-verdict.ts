/** Something that is not what follows from the rows. */
export interface CashflowFault {
  source: string;
  what: string;
}

/** The result of computing again what is derived from bank transactions. */
export interface CashflowVerdict {
  /** How many there are of what was asked for: of a name that is none it is zero. */
  sources: number;
  /** Transactions as they were received, copies included; each is either clean or dirty. */
  received: number;
  clean: number;
  dirty: number;
  /** Accounts with an owner, of which each was taken to close. */
  accounts: number;
  /** At most 20 of each kind. */
  faults: CashflowFault[];
}
