import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { DiscoveryModule, NestFactory } from '@nestjs/core';
import { Routes } from '../../src/access/routes.js';
import { Wants } from '../../src/http/wants.js';
import { Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { ROUTES } from './route-table.js';

describe('the routes', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
    // Otherwise its queue would still be connecting when it is closed.
    await new Sender(server).mirror('/patients', []);
  });

  afterAll(() => server.close());

  it('all require what the table says, and none is missing from it', () => {
    const declared = server.app
      .get(Routes)
      .list()
      .map(({ method, path, want }) => `${method} ${path} ${want}`);

    expect(declared.toSorted()).toEqual(ROUTES.map((route) => route.join(' ')).toSorted());
  });
});

@Controller('declared')
class Declared {
  @Get()
  @Wants('read')
  get(): string {
    return '';
  }
}

@Controller(['silent', 'mute'])
class Undeclared {
  @Get(':id')
  get(): string {
    return '';
  }

  @Wants('any')
  @Get('but')
  other(): string {
    return '';
  }
}

@Module({ imports: [DiscoveryModule], controllers: [Declared, Undeclared], providers: [Routes] })
class WithUndeclaredRoutes {}

it('a process with a route that declares no requirement does not start, and names the route', async () => {
  const app = await NestFactory.create(WithUndeclaredRoutes, { logger: false });

  await expect(app.init()).rejects.toThrow(/with @Wants .*: GET \/silent\/:id, GET \/mute\/:id$/);
});
