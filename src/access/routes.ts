import { type ExecutionContext, Injectable, type OnModuleInit, RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { type Want, WANTS } from '../http/wants.js';

/** A route, as its controller declares it. */
export interface Route {
  method: string;
  /** With `:parameters`. */
  path: string;
  /** Undefined if the route declares nothing. */
  want: Want | undefined;
}

/** Nest's type of a handler, which it does not export. */
type Handler = ReturnType<ExecutionContext['getHandler']>;

/** All routes of the process, and what each requires of its callers. */
@Injectable()
export class Routes implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  /** @throws Error that names the routes which declare nothing: such a process does not start */
  onModuleInit(): void {
    const undeclared = this.list().filter(({ want }) => want === undefined);
    if (undeclared.length === 0) return;
    const names = undeclared.map(({ method, path }) => `${method} ${path}`).join(', ');
    throw new Error(`Routes that do not declare with @Wants what they require of their callers: ${names}`);
  }

  list(): Route[] {
    return this.discovery.getControllers().flatMap(({ metatype }) => routesOf(metatype as Type, this.scanner, this));
  }

  /** What a handler, or else its controller, requires. */
  wantOf(controller: Type, handler: Handler): Want | undefined {
    return this.reflector.getAllAndOverride<Want | undefined>(WANTS, [handler, controller]);
  }
}

function routesOf(controller: Type, scanner: MetadataScanner, routes: Routes): Route[] {
  const prototype = controller.prototype as Record<string, Handler>;
  return scanner.getAllMethodNames(prototype).flatMap((name) => {
    const handler = prototype[name];
    if (!handler || !Reflect.hasMetadata(METHOD_METADATA, handler)) return [];
    const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
    const want = routes.wantOf(controller, handler);
    return pathsOf(controller).flatMap((prefix) =>
      pathsOf(handler).map((path) => ({ method, path: join(prefix, path), want })),
    );
  });
}

function pathsOf(decorated: object): string[] {
  return [Reflect.getMetadata(PATH_METADATA, decorated) as string | string[]].flat();
}

function join(...parts: string[]): string {
  return `/${parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/')}`;
}
