import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { ANYBODY, type Caller, callerOf, noteCaller, STRANGER } from '../http/caller.js';
import { authMode, CONFIG, type Config } from '../settings/config.js';
import { Refusal } from '../http/refusal.js';
import type { Want } from '../http/wants.js';
import { isOutage, isTooSlow } from '../database/outage.js';
import { AccessKeys } from './access-keys.js';
import { credentialsOf } from './credentials.js';
import { OPERATOR_KEY, type OperatorKey } from './operator-key.js';
import { isPage } from './pages.js';
import { RecentCallers } from './recent-callers.js';
import { changesSomething, comesFromElsewhere, comesFromOurselves, isCalledAs, isForwarded } from './request-origin.js';

/** The page that is needed most while the database, which holds the keys, is away. It shows no records. */
const METRICS_PATH = '/metrics';

/** Authenticates requests and checks scopes, both for routes of the API and for operators' pages. */
@Injectable()
export class Authenticator {
  private readonly isOpen: boolean;
  private readonly recent = new RecentCallers();

  constructor(
    private readonly keys: AccessKeys,
    @Inject(OPERATOR_KEY) private readonly operatorKey: OperatorKey,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.isOpen = authMode(config) === 'open';
  }

  /**
   * Identifies who sent a request and stores it with the request.
   * @throws Refusal 401 without a valid key, 403 if another site made a browser send it
   */
  async identify(request: IncomingMessage, path: string): Promise<void> {
    noteCaller(request, this.isOpen ? this.anybody(request) : await this.keyHolder(request, path));
  }

  /**
   * Checks that the identified caller has the scope that a route or page requires. An unidentified one gets only what
   * is public.
   * @throws Refusal 401 or 403
   */
  admit(request: IncomingMessage, path: string, want: Want): void {
    if (want === 'public') return;
    const caller = callerOf(request);
    if (caller === STRANGER) throw unauthorized(path);
    if (want !== 'any' && !caller.scopes.includes(want)) {
      throw new Refusal(403, 'missing_scope', `The key lacks the scope "${want}".`);
    }
  }

  /**
   * No key is required. So requests that a proxy passes on are refused, as they may come from anywhere, and cross-site
   * requests of browsers, as the user may not know of them.
   */
  private anybody(request: IncomingMessage): Caller {
    if (isForwarded(request)) {
      const detail =
        'A server that requires no keys answers no requests that a proxy passes on. Start it with AUTH=keys.';
      throw new Refusal(403, 'forwarded', detail);
    }
    if (!isCalledAs(request, this.config.HOST)) {
      const detail = 'A server that requires no keys answers only to localhost and to the address it listens on.';
      throw new Refusal(403, 'unknown_host', detail);
    }
    if (changesSomething(request) && comesFromElsewhere(request)) throw crossSite();
    return ANYBODY;
  }

  private async keyHolder(request: IncomingMessage, path: string): Promise<Caller> {
    const credentials = credentialsOf(request, isPage(path));
    const caller =
      credentials && (this.operatorKey.holder(credentials.key) ?? (await this.findCaller(credentials.key, path)));
    if (!caller) throw unauthorized(path);
    if (credentials.isAmbient && changesSomething(request) && !comesFromOurselves(request)) throw crossSite();
    return caller;
  }

  private async findCaller(key: string, path: string): Promise<Caller | null> {
    if (path !== METRICS_PATH) return this.keys.findCaller(key);
    try {
      const caller = await this.keys.findCaller(key);
      this.recent.note(key, caller);
      return caller;
    } catch (error) {
      const caller = isOutage(error) || isTooSlow(error) ? this.recent.find(key) : null;
      if (caller === null) throw error;
      return caller;
    }
  }
}

/** The same whatever was wrong, so that nobody learns whether a key was ever valid. RFC 9110, section 11.6.1. */
function unauthorized(path: string): Refusal {
  const challenge = isPage(path) ? 'Basic realm="counterpart", charset="UTF-8"' : 'Bearer realm="counterpart"';
  const detail = 'A valid key is needed, as "Authorization: Bearer KEY" or "X-API-Key: KEY".';
  return new Refusal(401, 'unauthorized', detail, { headers: { 'WWW-Authenticate': challenge } });
}

function crossSite(): Refusal {
  return new Refusal(
    403,
    'cross_site',
    'A browser sent this for another site. Such a request may not change anything.',
  );
}
