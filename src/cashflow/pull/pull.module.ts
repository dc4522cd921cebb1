import { BullModule } from '@nestjs/bullmq';
import {
  type DynamicModule,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type Provider,
} from '@nestjs/common';
import { readJsonBody } from '../../http/json-body.js';
import { NameResolver } from '../../http/name-resolver.js';
import { withTask } from '../../runtime/periodic-task.js';
import { authMode, CONFIG, type Config } from '../../settings/config.js';
import { answersCallers, worksOnJobs } from '../../settings/process-role.js';
import { SourceTargets } from '../source/source-targets.js';
import { PullCleaner } from './pull-cleaner.js';
import { PULL_QUEUES, PullQueue } from './pull-queue.js';
import { PullRunner } from './pull-runner.js';
import { PullSchedules } from './pull-schedules.js';
import { AnswerBases } from '../answer-basis.js';
import { PullSettler } from './pull-settler.js';
import { PullStore } from './pull-store.js';
import { PullSubmitter } from './pull-submitter.js';
import { PullProcessor } from './pull.processor.js';
import { PullsController } from './pulls.controller.js';
import { Pulls } from './pulls.js';

const TARGETS: Provider = {
  provide: SourceTargets,
  inject: [CONFIG],
  useFactory: (config: Config) => {
    const names = new NameResolver();
    const rules = { targets: config.PULL_TARGETS ?? null, isOpen: authMode(config) === 'open' };
    return new SourceTargets(rules, (hostname) => names.resolve(hostname));
  },
};

const SHARED: Provider[] = [TARGETS, PullQueue];

const WORKER: Provider[] = [
  PullStore,
  PullSubmitter,
  PullSchedules,
  AnswerBases,
  PullSettler,
  PullProcessor,
  ...withTask(PullRunner),
  ...withTask(PullCleaner),
];

/** Pulls bank transactions from systems that do not send them. */
@Module({})
export class PullModule implements NestModule {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  static forRole(role: Config['ROLE']): DynamicModule {
    const takesPart = answersCallers(role) || worksOnJobs(role);
    return {
      module: PullModule,
      imports: [BullModule.registerQueue(...Object.values(PULL_QUEUES).map((name) => ({ name })))],
      controllers: answersCallers(role) ? [PullsController] : [],
      providers: [
        ...(takesPart ? SHARED : []),
        ...(answersCallers(role) ? [Pulls] : []),
        ...(worksOnJobs(role) ? WORKER : []),
      ],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    if (answersCallers(this.config.ROLE)) consumer.apply(readJsonBody).forRoutes(PullsController);
  }
}
