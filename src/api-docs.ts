import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Route } from './access/routes.js';
import type { Definitions } from './definitions/definitions.js';
import { VERSION } from './values/version.js';
import { resources } from './resources.js';
import { rowSchema } from './sync/lists/row-schema.js';

/**
 * Serves the OpenAPI description at `/openapi.json` and Swagger UI at `/docs`. It is made when first asked for: that takes a
 * fifth of a second, half as long as all else that a start computes.
 */
export function documentApi(app: INestApplication, tags: string[], routes: Route[], definitions: Definitions): void {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('counterpart')
    .setDescription(
      'Complete snapshots in, an exact mirror out; claims with their payments; accounts on a ledger. Errors are application/problem+json (RFC 9457).',
    )
    .setVersion(VERSION);
  // The page shows them in this order.
  for (const tag of tags) builder.addTag(tag);
  const config = builder
    .addGlobalParameters({
      name: 'X-Source',
      in: 'header',
      required: false,
      description: 'the external system that the request is for; by default the one of the key, or "default"',
      schema: { type: 'string', example: 'default' },
    })
    .addBearerAuth({ type: 'http', description: 'a key of `npm run cli -- keys create`' }, 'bearer')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'the same key' }, 'apiKey')
    .build();
  const document = () => {
    const described = SwaggerModule.createDocument(app, config);
    describeProblems(described);
    describeAccess(described, routes);
    describeRows(described, definitions);
    return described;
  };
  const options = { jsonDocumentUrl: 'openapi.json', raw: ['json' as const], customSiteTitle: 'counterpart API' };
  SwaggerModule.setup('docs', app, document, options);
}

const PROBLEM = {
  type: 'object',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    errors: { type: 'array', items: { type: 'object' } },
  },
};

/** Every operation answers errors in the same shape. */
function describeProblems(document: OpenAPIObject): void {
  for (const path of Object.values(document.paths)) {
    for (const operation of [path.get, path.post, path.put, path.patch, path.delete]) {
      if (operation) operation.responses['default'] = problem('a problem (RFC 9457)');
    }
  }
}

/** The key and scope that each operation requires. A server with `AUTH=open` requires none. */
function describeAccess(document: OpenAPIObject, routes: Route[]): void {
  for (const { method, path, want } of routes) {
    const item = document.paths[path.replace(/:(\w+)/g, '{$1}')];
    const operation = item?.[method.toLowerCase() as 'get'];
    if (!operation) continue;
    operation.security = want === 'public' ? [] : [{ bearer: [] }, { apiKey: [] }];
    if (want === 'public') continue;
    operation.responses['401'] = problem('no key, or an invalid one');
    operation.responses['403'] = problem(`the key lacks the scope \`${want}\``);
  }
}

/** What declared children add to the rows of bundled resources, whose lists are described by classes. */
function describeRows({ components }: OpenAPIObject, definitions: Definitions): void {
  for (const { definition, row } of resources) {
    const described = components?.schemas?.[row.name];
    if (described === undefined || '$ref' in described) continue;
    const { properties, required } = rowSchema(definition, definitions);
    described.properties = { ...properties, ...described.properties };
    described.required = required;
  }
}

function problem(description: string) {
  return { description, content: { 'application/problem+json': { schema: PROBLEM } } };
}
