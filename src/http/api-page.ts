import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';

/** Describes the answer of a list as a page of `item`. A feed always has a next cursor. */
export function ApiPage(item: Type, nextCursor: 'or null' | 'always' = 'or null'): MethodDecorator {
  const cursor = { type: 'string', ...(nextCursor === 'always' ? {} : { nullable: true }) };
  return applyDecorators(
    ApiExtraModels(item),
    ApiResponse({
      status: 200,
      description: 'a page',
      schema: {
        type: 'object',
        required: ['items', 'nextCursor'],
        properties: { items: { type: 'array', items: { $ref: getSchemaPath(item) } }, nextCursor: cursor },
      },
    }),
  );
}
