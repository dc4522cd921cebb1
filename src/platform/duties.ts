/** What a process is there for: everything, or one of its duties. */
export type Role = 'all' | 'api' | 'worker' | 'payments';

/** Whether a process takes snapshots and claims, and answers callers. */
export function answersCallers(role: Role): boolean {
  return role === 'all' || role === 'api';
}

/** Whether a process works on jobs, and looks after what goes on in the background. */
export function worksOnJobs(role: Role): boolean {
  return role === 'all' || role === 'worker';
}

/** Whether a process settles the payments of claims. */
export function settlesPayments(role: Role): boolean {
  return role === 'all' || role === 'payments';
}
