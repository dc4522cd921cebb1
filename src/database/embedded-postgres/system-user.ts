import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';

/** The system user that PostgreSQL runs as; `switchTo` is what `spawn` needs to become that user. */
export interface SystemUser {
  name: string;
  uid: number;
  switchTo: { uid: number; gid: number } | undefined;
}

/**
 * PostgreSQL refuses to run as root and needs an entry in the user database. So root becomes the owner of the existing
 * data, else `postgres`, else `nobody` (which every system has); all other users stay themselves.
 */
export async function findSystemUser(ownerUid: number | undefined): Promise<SystemUser> {
  if (process.getuid?.() !== 0) return ownUser();

  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  const found =
    lines.find((fields) => ownerUid !== undefined && ownerUid !== 0 && Number(fields[2]) === ownerUid) ??
    lines.find((fields) => fields[0] === 'postgres') ??
    lines.find((fields) => fields[0] === 'nobody');
  if (!found) {
    throw new Error(
      'The embedded PostgreSQL does not run as root, and there is no user "postgres" or "nobody" to become: set DATABASE_URL.',
    );
  }
  const [name = '', , uid, gid] = found;
  return { name, uid: Number(uid), switchTo: { uid: Number(uid), gid: Number(gid) } };
}

function ownUser(): SystemUser {
  try {
    const { username, uid } = userInfo();
    return { name: username, uid, switchTo: undefined };
  } catch {
    throw new Error(
      `The embedded PostgreSQL needs a named user, but uid ${process.getuid?.()} has no entry in the user database: set DATABASE_URL.`,
    );
  }
}

/**
 * Whether the user may enter the directory, by the permission bits of it and of all directories above it. It usually may
 * not where the project is below root's home (mode 0700).
 */
export async function canEnter(directory: string, user: SystemUser): Promise<boolean> {
  if (!user.switchTo) return true;
  for (let part = directory; ; part = dirname(part)) {
    const { uid, gid, mode } = await stat(part);
    const enterBit = uid === user.uid ? 0o100 : gid === user.switchTo.gid ? 0o010 : 0o001;
    if ((mode & enterBit) === 0) return false;
    if (part === dirname(part)) return true;
  }
}
