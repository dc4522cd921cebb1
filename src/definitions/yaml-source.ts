import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';

/** Something that is wrong with a YAML text. */
export interface YamlFault {
  /** From 1. */
  line: number | null;
  detail: string;
}

/** Ancestors of a node, of which each level of a mapping has two. A definition has five levels. */
const MAX_ANCESTORS = 40;

/**
 * A YAML text of nothing but mappings, lists and texts: `on`, `no` and `1` are names like others. Anchors, aliases and tags
 * have no use here, and without them nothing is larger than it looks.
 */
export class YamlSource {
  readonly faults: YamlFault[] = [];
  private readonly lines = new LineCounter();
  private readonly document: Document;

  /** @param text of a bounded length */
  constructor(text: string) {
    this.document = parseDocument(text, {
      schema: 'failsafe',
      resolveKnownTags: false,
      // The parser would compare each name with every other one of its mapping.
      uniqueKeys: false,
      lineCounter: this.lines,
      prettyErrors: false,
      // With `silent` the parser ignores a second document.
      logLevel: 'error',
    });
    for (const { message, pos, code } of [...this.document.errors, ...this.document.warnings]) {
      // The walk tells of tags.
      if (code === 'TAG_RESOLVE_FAILED' || code === 'BAD_COLLECTION_TYPE') continue;
      const detail = code === 'RESOURCE_EXHAUSTION' ? TOO_DEEP : `${message}.`.replace(/\.\.$/, '.');
      this.faults.push({ line: this.lines.linePos(pos[0]).line, detail });
    }
    visit(this.document, {
      Node: (_key, node, ancestors) => (this.isGood(node, ancestors.length) ? undefined : visit.SKIP),
    });
  }

  /** Mappings as objects. Only of a text without faults. */
  value(): unknown {
    return this.document.toJS() as unknown;
  }

  /** The line of a place, or of what is next to it in the text if there is no such place: the first one of an empty text. */
  lineOf(path: string[]): number {
    let node: unknown = this.document.contents;
    let line = this.startLine(node) ?? 1;
    for (const name of path) {
      const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === name) : undefined;
      if (!pair) return line;
      line = this.startLine(pair.key) ?? line;
      node = pair.value;
    }
    return line;
  }

  /** Whether what is in it is to be looked at too. */
  private isGood(node: Node, ancestors: number): boolean {
    if (node.tag !== undefined) this.fault(node, 'Tags cannot be used here.');
    if ('anchor' in node && node.anchor !== undefined) this.fault(node, 'Anchors cannot be used here.');
    if (isAlias(node)) this.fault(node, 'Aliases cannot be used here.');
    if (isMap(node)) this.checkNames(node);
    if (ancestors <= MAX_ANCESTORS) return true;
    this.fault(node, TOO_DEEP);
    return false;
  }

  private checkNames({ items }: YAMLMap): void {
    const known = new Set<unknown>();
    for (const { key } of items) {
      if (!isScalar(key)) this.fault(key, 'A name must be a text.');
      else if (known.has(key.value))
        this.fault(key, `The name ${JSON.stringify(String(key.value).slice(0, 63))} is there twice.`);
      else known.add(key.value);
    }
  }

  private fault(node: unknown, detail: string): void {
    this.faults.push({ line: this.startLine(node), detail });
  }

  private startLine(node: unknown): number | null {
    return isNode(node) && node.range ? this.lines.linePos(node.range[0]).line : null;
  }
}

const TOO_DEEP = 'This is nested too deeply.';
