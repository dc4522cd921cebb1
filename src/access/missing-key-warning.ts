import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { authMode, CONFIG, type Config } from '../settings/config.js';
import { AccessKeys } from './access-keys.js';
import { OPERATOR_KEY, type OperatorKey } from './operator-key.js';

/** Warns at the start that there is no key yet, and says how to make one. */
@Injectable()
export class MissingKeyWarning implements OnApplicationBootstrap {
  private readonly logger = new Logger(MissingKeyWarning.name);

  constructor(
    private readonly keys: AccessKeys,
    @Inject(OPERATOR_KEY) private readonly operatorKey: OperatorKey,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (authMode(this.config) === 'open') {
      if (this.config.NODE_ENV === 'production') this.logger.warn('AUTH=open: nobody on this machine needs a key');
      return;
    }
    if (this.operatorKey.exists || (await this.keys.isAnyValid())) return;
    this.logger.warn(
      'callers need keys, and there is none yet: npm run cli -- keys create --name NAME --source SOURCE --scope submit,read',
    );
  }
}
