/** What a process does: everything, or one part of it. */
export type Role = 'all' | 'api' | 'worker' | 'payments';

/** Whether a process accepts snapshots and claims, and answers callers. */
export function answersCallers(role: Role): boolean {
  return role === 'all' || role === 'api';
}

/** Whether a process runs jobs, and the cleaners and senders in the background. */
export function worksOnJobs(role: Role): boolean {
  return role === 'all' || role === 'worker';
}

/** Whether a process settles the payments of claims. */
export function settlesPayments(role: Role): boolean {
  return role === 'all' || role === 'payments';
}
