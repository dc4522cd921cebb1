import { EntityManager } from '@mikro-orm/postgresql';
import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { AccessKeys } from './access-keys.js';
import { Authenticator } from './authenticator.js';
import { MissingKeyWarning } from './missing-key-warning.js';
import { OPERATOR_KEY, OperatorKey } from './operator-key.js';
import { Routes } from './routes.js';

/** Authentication and authorization, in processes of every role. */
@Module({})
export class AccessModule {
  /** @param operatorKey a key that is known to this process only, or null */
  static withOperatorKey(operatorKey: string | null): DynamicModule {
    return {
      module: AccessModule,
      imports: [DiscoveryModule],
      providers: [
        { provide: AccessKeys, inject: [EntityManager], useFactory: (em: EntityManager) => new AccessKeys(em) },
        { provide: OPERATOR_KEY, useValue: new OperatorKey(operatorKey) },
        Authenticator,
        Routes,
        MissingKeyWarning,
      ],
      exports: [Authenticator, Routes],
    };
  }
}
