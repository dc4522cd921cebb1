import { applyDecorators, Controller, Get, Inject, Param, Query, Req, Res, type Type } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import type { Definition } from '../../definitions/definition.js';
import { Definitions } from '../../definitions/definitions.js';
import { Audited, subjectOf } from '../../audit/audited.js';
import { CallerSource } from '../../http/caller-source.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { linkNextPage, type Page, PageQuery } from '../../http/paging.js';
import { Wants } from '../../http/wants.js';
import type { HistoryItem } from '../changes/change.dto.js';
import { GetHistory } from './get-history.js';
import { RowHistory } from '../changes/row-history.js';
import type { JobView } from '../jobs/job-view.js';
import { PostSnapshot, SubmitSnapshot } from './post-snapshot.js';
import { SnapshotSubmission } from './snapshot-submission.js';
import { Sources } from '../sources/sources.js';
import { listParameters, readListQuery, type SentQuery } from '../lists/list-query.js';
import { MirrorLists, type RowView } from '../lists/mirror-lists.js';
import { rowSchema } from '../lists/row-schema.js';

/** The routes that every resource has: its snapshots, and the history of a row. */
export function snapshotController(definition: Definition): Type {
  @ApiTags(definition.name)
  @Controller()
  class SnapshotController {
    constructor(
      private readonly submission: SnapshotSubmission,
      private readonly rowHistory: RowHistory,
    ) {}

    @PostSnapshot(definition)
    submit(
      @Query() query: SubmitSnapshot,
      @Req() request: Request,
      @Res({ passthrough: true }) response: Response,
    ): Promise<JobView> {
      return this.submission.submit(request, response, definition, query);
    }

    @GetHistory(definition)
    async history(
      @CallerSource() source: string,
      @Param('externalId') externalId: string,
      @Query() query: PageQuery,
      @Req() request: Request,
      @Res({ passthrough: true }) response: Response,
    ): Promise<Page<HistoryItem>> {
      const page = await this.rowHistory.page(definition, source, externalId, query);
      linkNextPage(request, response, page);
      return page;
    }
  }
  return SnapshotController;
}

/** One row of a resource. */
export function rowController(definition: Definition, definitions: Definitions): Type {
  const { name } = definition;

  @ApiTags(name)
  @Controller()
  class RowController {
    constructor(
      private readonly lists: MirrorLists,
      private readonly sources: Sources,
    ) {}

    @Get(`${name}/:externalId`)
    @Wants('read')
    @Audited(`${name}.read`, { subject: subjectOf(name, 'externalId') })
    @ApiOperation({ summary: `One of the ${name} that are live`, operationId: `get_${name}` })
    @ApiResponse({ status: 200, schema: rowSchema(definition, definitions) })
    async get(@CallerSource() source: string, @Param('externalId') externalId: string): Promise<RowView> {
      return this.lists.get(name, await this.sources.find(source), externalId);
    }
  }
  return RowController;
}

/** The list of a resource whose definition says all about it. */
export function listController(definition: Definition, definitions: Definitions): Type {
  const { name } = definition;

  @ApiTags(name)
  @Controller()
  class ListController {
    constructor(
      private readonly lists: MirrorLists,
      private readonly sources: Sources,
      @Inject(CONFIG) private readonly config: Config,
    ) {}

    @Get(name)
    @Wants('read')
    @Audited(`${name}.listed`, { subjectOfItem: ({ externalId }: RowView) => `${name}:${externalId}` })
    @ApiList(definition, definitions)
    async list(
      @CallerSource() source: string,
      @Query() sent: SentQuery,
      @Req() request: Request,
      @Res({ passthrough: true }) response: Response,
    ): Promise<Page<RowView>> {
      const query = readListQuery(definition, sent, this.config.MAX_PAGE_SIZE);
      const page = await this.lists.list(name, await this.sources.find(source), query);
      linkNextPage(request, response, page);
      return page;
    }
  }
  return ListController;
}

/** The documentation of a list, which follows from the definition. */
function ApiList(definition: Definition, definitions: Definitions): MethodDecorator {
  const parameters = listParameters(definition, 1_000).map(({ name, description, schema }) =>
    ApiQuery({ name, description, schema, required: false }),
  );
  return applyDecorators(
    ApiOperation({ summary: `The ${definition.name} that are live`, operationId: `list_${definition.name}` }),
    ...parameters,
    ApiResponse({
      status: 200,
      description: 'a page',
      schema: {
        type: 'object',
        required: ['items', 'nextCursor'],
        properties: {
          items: { type: 'array', items: rowSchema(definition, definitions) },
          nextCursor: { type: 'string', nullable: true },
        },
      },
    }),
  );
}
