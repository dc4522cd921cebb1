import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

/** Serves the OpenAPI description at `/openapi.json` and Swagger UI at `/docs`. */
export function documentApi(app: INestApplication, tags: string[]): void {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('counterpart')
    .setDescription('Complete snapshots in, an exact mirror out. Errors are application/problem+json (RFC 9457).')
    .setVersion('0.1.0');
  // The order in which the page shows them.
  for (const tag of tags) builder.addTag(tag);
  const config = builder
    .addGlobalParameters({
      name: 'X-Source',
      in: 'header',
      required: false,
      description: 'the external system that speaks; "default" without',
      schema: { type: 'string', example: 'default' },
    })
    .build();
  const document = SwaggerModule.createDocument(app, config);
  describeProblems(document);
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', customSiteTitle: 'counterpart API' });
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

/** Whatever goes wrong has one shape, the same for every operation. */
function describeProblems(document: OpenAPIObject): void {
  const content = { 'application/problem+json': { schema: PROBLEM } };
  for (const path of Object.values(document.paths)) {
    for (const operation of [path.get, path.post]) {
      if (operation) operation.responses['default'] = { description: 'a problem (RFC 9457)', content };
    }
  }
}
