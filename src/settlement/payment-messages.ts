/** The names of the payments service's queues in BullMQ. */
export const PAYMENT_QUEUES = {
  /** Messages to the payments service, one for each claim to settle. */
  notifications: 'claim-payments',
  /** Claims that could not be settled. No worker takes these; they wait for an operator. */
  deadLetters: 'claim-payments-dead-letter',
} as const;

/** The message about one claim: ids only. Everything else is read from the table. */
export interface PaymentMessage {
  claimId: string;
  sourceId: number;
  round: number;
}

/** The entry in the dead-letter queue for a claim whose payment has failed. */
export interface DeadLetter {
  claimId: string;
  sourceId: number;
  reason: string;
  attempts: number;
}
