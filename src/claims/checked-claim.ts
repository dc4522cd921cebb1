/** A valid line. Amounts are plain decimals to the cent; the service date is ISO 8601 without an offset. */
export interface ClaimLine {
  serviceDate: string;
  submittedProcedure: string;
  quadrant: string | null;
  planGroupNumber: string;
  subscriberNumber: string;
  providerNpi: string;
  providerFees: string;
  allowedFees: string;
  memberCoinsurance: string;
  memberCopay: string;
  netFee: string;
}

/** A valid claim, ready to be stored. */
export interface CheckedClaim {
  externalClaimId: string | null;
  netFee: string;
  lines: ClaimLine[];
}
