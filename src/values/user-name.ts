import { userInfo } from 'node:os';

/** The name of the system user that runs this process; its number where it has no name, as in some containers. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
