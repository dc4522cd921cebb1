/** A body that is not a snapshot, the code of its refusal, and the offset of the first wrong byte. */
export interface MalformedBody {
  what: string;
  body: Buffer;
  code: string;
  /** Null if the body is refused at once, which reports no position. */
  byteOffset: number | null;
}

/** Marks the first wrong byte, and is removed before sending. */
const FAULT = '▲';

type Bytes = string | (string | number)[];
type Row = [what: string, bytes: Bytes, code: string];

const RECORD = '{"externalId":"1","firstName":"Changed","lastName":"Here"}';
const HEADER = 'externalId,firstName,lastName\n';
const MIB = 2 ** 20;

const MALFORMED = 'malformed_json';
const TRUNCATED = 'truncated';
const TRAILING = 'trailing_data';
const UTF8 = 'invalid_utf8';

/** Each is in the place of the second record, after a valid one. */
const IN_A_LIST: Row[] = [
  // Structure
  ['no field name', '{▲:1}]', MALFORMED],
  ['no colon', '{"a" ▲1}]', MALFORMED],
  ['an equals sign for a colon', '{"a"▲=1}]', MALFORMED],
  ['two colons', '{"a":▲:1}]', MALFORMED],
  ['no value', '{"a":▲}]', MALFORMED],
  ['a name alone', '{"a"▲}]', MALFORMED],
  ['no comma between fields', '{"a":1 ▲"b":2}]', MALFORMED],
  ['a semicolon between fields', '{"a":1▲;"b":2}]', MALFORMED],
  ['a comma before the first field', '{▲,"a":1}]', MALFORMED],
  ['a comma after the last field', '{"a":1,▲}]', MALFORMED],
  ['two commas between fields', '{"a":1,▲,"b":2}]', MALFORMED],
  ['a comma before the first item', '{"a":[▲,1]}]', MALFORMED],
  ['a comma after the last item', '{"a":[1,▲]}]', MALFORMED],
  ['no comma between items', '{"a":[1 ▲2]}]', MALFORMED],
  ['a bracket that closes an object', '{"a":{"b":1▲]}]', MALFORMED],
  ['a brace that closes a list', '{"a":[1▲}]', MALFORMED],
  ['a bracket too many in a record', '{"a":1}▲}]', MALFORMED],
  ['a comma after the last record', '▲]', MALFORMED],
  ['a comma for a record', '▲,{}]', MALFORMED],
  ['no comma between records', '{} ▲{}]', MALFORMED],
  ['a field in the list of records', '"a"▲:1]', MALFORMED],
  ['a brace at the end of the list', '{}▲}', MALFORMED],
  ['nested one level too deep', `{"a":${'['.repeat(63)}▲[`, 'nesting_too_deep'],
  ['objects nested one level too deep', `${'{"a":'.repeat(64)}▲{}${'}'.repeat(64)}]`, 'nesting_too_deep'],
  ['a string that makes the record too large', `{"a":"${'x'.repeat(MIB - 6)}▲x"}]`, 'record_too_large'],
  ['blanks that make the record too large', `{"a":${' '.repeat(MIB - 5)}▲ 1}]`, 'record_too_large'],
  ['many fields that make the record too large', `{${'"a":1,'.repeat(MIB)}"b":1}]`, 'record_too_large'],
  // Literals
  ['a literal cut short', '{"a":tru▲}]', MALFORMED],
  ['a literal too long', '{"a":null▲l}]', MALFORMED],
  ['True', '{"a":▲True}]', MALFORMED],
  ['NULL', '{"a":▲NULL}]', MALFORMED],
  ['None', '{"a":▲None}]', MALFORMED],
  ['undefined', '{"a":▲undefined}]', MALFORMED],
  ['NaN', '{"a":▲NaN}]', MALFORMED],
  ['Infinity', '{"a":▲Infinity}]', MALFORMED],
  ['-Infinity', '{"a":-▲Infinity}]', MALFORMED],
  ['a word', '{"a":▲yes}]', MALFORMED],
  ['an expression', '{"a":▲(1)}]', MALFORMED],
  // Numbers
  ['a leading zero', '{"a":0▲1}]', MALFORMED],
  ['a negative leading zero', '{"a":-0▲1}]', MALFORMED],
  ['a lone minus', '{"a":-▲}]', MALFORMED],
  ['two minuses', '{"a":-▲-1}]', MALFORMED],
  ['a plus', '{"a":▲+1}]', MALFORMED],
  ['no digit before the point', '{"a":▲.5}]', MALFORMED],
  ['no digit after the point', '{"a":1.▲}]', MALFORMED],
  ['an exponent after the point', '{"a":1.▲e5}]', MALFORMED],
  ['two points', '{"a":1.2▲.3}]', MALFORMED],
  ['no digit in the exponent', '{"a":1e▲}]', MALFORMED],
  ['no digit after the sign of the exponent', '{"a":1e+▲}]', MALFORMED],
  ['a broken exponent', '{"a":1e5▲.5}]', MALFORMED],
  ['a hexadecimal number', '{"a":0▲x1F}]', MALFORMED],
  ['an octal number', '{"a":0▲o17}]', MALFORMED],
  ['a grouped number', '{"a":1▲_000}]', MALFORMED],
  ['a big integer', '{"a":1▲n}]', MALFORMED],
  ['a full-width digit', '{"a":▲１}]', MALFORMED],
  ['an Arabic digit', '{"a":▲٣}]', MALFORMED],
  // Strings
  ['single quotes around a value', `{"a":▲'b'}]`, MALFORMED],
  ['single quotes around a name', `{▲'a':1}]`, MALFORMED],
  ['a name without quotes', '{▲a:1}]', MALFORMED],
  ['a number for a name', '{▲1:1}]', MALFORMED],
  ['curly quotes', '{"a":▲“b”}]', MALFORMED],
  ['backticks', '{"a":▲`b`}]', MALFORMED],
  ['strings that are added', '{"a":"b"▲+"c"}]', MALFORMED],
  ['a line feed in a string', '{"a":"b▲\nc"}]', MALFORMED],
  ['a carriage return in a string', '{"a":"b▲\rc"}]', MALFORMED],
  ['a tab in a string', '{"a":"b▲\tc"}]', MALFORMED],
  ['a NUL in a string', '{"a":"b▲\0c"}]', MALFORMED],
  ['an escape character in a string', '{"a":"▲\u001b[31m"}]', MALFORMED],
  ['the last control character in a string', '{"a":"▲\u001f"}]', MALFORMED],
  // Escapes
  ['\\x41', '{"a":"\\▲x41"}]', MALFORMED],
  ['\\0', '{"a":"\\▲0"}]', MALFORMED],
  ["\\'", `{"a":"\\▲'"}]`, MALFORMED],
  ['\\a', '{"a":"\\▲a"}]', MALFORMED],
  ['\\U', '{"a":"\\▲U0041"}]', MALFORMED],
  ['\\ and a line feed', '{"a":"\\▲\n"}]', MALFORMED],
  ['\\u with three digits', '{"a":"\\u123▲"}]', MALFORMED],
  ['\\u with a letter', '{"a":"\\u12▲G4"}]', MALFORMED],
  ['\\u with braces', '{"a":"\\u▲{41}"}]', MALFORMED],
  ['\\u with a sign', '{"a":"\\u▲-041"}]', MALFORMED],
  ['\\u with a full-width digit', '{"a":"\\u004▲１"}]', MALFORMED],
  ['an escape in a name', '{"\\▲q":1}]', MALFORMED],
  ['an escape outside of a string', '{"a":▲\\u0031}]', MALFORMED],
  // Comments
  ['a block comment', '▲/* none */{}]', MALFORMED],
  ['a line comment', '{} ▲// none\n]', MALFORMED],
  ['a hash comment', '{} ▲# none\n]', MALFORMED],
  ['a comment in a record', '{"a":▲/**/1}]', MALFORMED],
  // White space that JSON does not allow
  ['a no-break space', '▲\u00a0{}]', MALFORMED],
  ['a vertical tab', '▲\v{}]', MALFORMED],
  ['a form feed', '▲\f{}]', MALFORMED],
  ['a line separator', '{}▲\u2028]', MALFORMED],
  ['a next line', '{}▲\u0085]', MALFORMED],
  ['an ideographic space', '{"a":▲\u30001}]', MALFORMED],
  ['a zero-width space', '{"a":▲\u200b1}]', MALFORMED],
  ['a byte order mark in the middle', '▲\ufeff{}]', MALFORMED],
  ['a NUL between records', '▲\0{}]', MALFORMED],
  ['a DEL', '▲\u007f{}]', MALFORMED],
  // Cut short
  ['cut after the comma', '▲', TRUNCATED],
  ['cut after a record', '{}▲', TRUNCATED],
  ['cut in an object', '{▲', TRUNCATED],
  ['cut in a name', '{"a▲', TRUNCATED],
  ['cut after a name', '{"a"▲', TRUNCATED],
  ['cut after a colon', '{"a":▲', TRUNCATED],
  ['cut in a string', '{"a":"b▲', TRUNCATED],
  ['cut in an escape', '{"a":"\\u00▲', TRUNCATED],
  ['cut in a literal', '{"a":tr▲', TRUNCATED],
  ['cut in a number', '{"a":1.▲', TRUNCATED],
  ['cut in a list', '{"a":[1,▲', TRUNCATED],
  ['cut in a character', ['{"a":"', 0xf0, 0x9f, FAULT], TRUNCATED],
  // Invalid UTF-8
  ['a lead byte without its continuation', ['{"a":"', FAULT, 0xc3, 0x28, '"}]'], UTF8],
  ['a continuation byte alone', ['{"a":"', FAULT, 0x80, '"}]'], UTF8],
  ['the last continuation byte alone', ['{"a":"', FAULT, 0xbf, '"}]'], UTF8],
  ['two bytes for NUL', ['{"a":"', FAULT, 0xc0, 0x80, '"}]'], UTF8],
  ['two bytes for a slash', ['{"a":"', FAULT, 0xc0, 0xaf, '"}]'], UTF8],
  ['two bytes for a quotation mark', ['{"a":"', FAULT, 0xc0, 0xa2, '"}]'], UTF8],
  ['three bytes for a slash', ['{"a":"', FAULT, 0xe0, 0x80, 0xaf, '"}]'], UTF8],
  ['four bytes for a slash', ['{"a":"', FAULT, 0xf0, 0x80, 0x80, 0xaf, '"}]'], UTF8],
  ['five bytes', ['{"a":"', FAULT, 0xf8, 0x88, 0x80, 0x80, 0x80, '"}]'], UTF8],
  ['six bytes', ['{"a":"', FAULT, 0xfc, 0x84, 0x80, 0x80, 0x80, 0x80, '"}]'], UTF8],
  ['a byte that UTF-8 never has', ['{"a":"', FAULT, 0xff, '"}]'], UTF8],
  ['the other byte that UTF-8 never has', ['{"a":"', FAULT, 0xfe, '"}]'], UTF8],
  ['a high surrogate', ['{"a":"', FAULT, 0xed, 0xa0, 0x80, '"}]'], UTF8],
  ['a low surrogate', ['{"a":"', FAULT, 0xed, 0xbf, 0xbf, '"}]'], UTF8],
  ['a pair of surrogates', ['{"a":"', FAULT, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, '"}]'], UTF8],
  ['the code point above the last', ['{"a":"', FAULT, 0xf4, 0x90, 0x80, 0x80, '"}]'], UTF8],
  ['a code point far above the last', ['{"a":"', FAULT, 0xf7, 0xbf, 0xbf, 0xbf, '"}]'], UTF8],
  ['a character without its last byte', ['{"a":"', FAULT, 0xe2, 0x82, '"}]'], UTF8],
  ['Latin-1', ['{"a":"M', FAULT, 0xfc, 'ller"}]'], UTF8],
  ['invalid UTF-8 in a name', ['{"', FAULT, 0xe9, '":1}]'], UTF8],
  // Outside strings, any byte beyond ASCII is malformed JSON
  ['invalid UTF-8 between records', [FAULT, 0xff, '{}]'], MALFORMED],
  ['invalid UTF-8 for a value', ['{"a":', FAULT, 0xc3, 0x28, '}]'], MALFORMED],
];

/** Each follows a list with one record. */
const AFTER_THE_END: Row[] = [
  ['a second bracket', '▲]', TRAILING],
  ['a comma after the end', '▲,', TRAILING],
  ['a word after the end', ' ▲x', TRAILING],
  ['a NUL after the end', '▲\0', TRAILING],
  ['a comment after the end', '\n▲// end', TRAILING],
  ['a byte order mark after the end', '▲\ufeff', TRAILING],
  ['a second document', '\n▲[]', TRAILING],
  ['a semicolon after the end', '▲;', TRAILING],
  ['invalid UTF-8 after the end', [FAULT, 0xff], TRAILING],
];

const IN_JSON: Row[] = [
  ['nothing but a bracket', '[▲', TRUNCATED],
  ['nothing but a brace', '{▲', TRUNCATED],
  ['two objects', `${RECORD}▲${RECORD}`, TRAILING],
  ['lines of objects', `${RECORD}\n▲${RECORD}\n`, TRAILING],
  ['lists side by side', `[${RECORD}]▲[${RECORD}]`, TRAILING],
  ['brackets without end', '['.repeat(100_000), 'nesting_too_deep'],
];

/** Refused before anything is stored. */
const REFUSED_AT_ONCE: Row[] = [
  ['two byte order marks', `\ufeff\ufeff[${RECORD}]`, 'wrong_first_byte'],
  ['UTF-16', [0xff, 0xfe, ...Buffer.from(`[${RECORD}]`, 'utf16le')], 'wrong_first_byte'],
  ['UTF-16 without a mark, the small byte last', [0, 0x5b, 0, 0x5d], 'wrong_first_byte'],
  ['UTF-32', [0xff, 0xfe, 0, 0, 0x5b, 0, 0, 0, 0x5d, 0, 0, 0], 'wrong_first_byte'],
  ['half a byte order mark', [0xef, 0xbb, `[${RECORD}]`], 'wrong_first_byte'],
  ['a script in front', 'while(1);[]', 'wrong_first_byte'],
  ['a prefix against JSON hijacking', `)]}',\n[]`, 'wrong_first_byte'],
  ['a call', `callback([${RECORD}])`, 'wrong_first_byte'],
  ['a comment in front', '// list\n[]', 'wrong_first_byte'],
  ['a no-break space in front', '\u00a0[]', 'wrong_first_byte'],
  ['a NUL in front', '\0[]', 'wrong_first_byte'],
  ['a literal', 'null', 'wrong_first_byte'],
  ['XML', '<?xml version="1.0"?>', 'wrong_first_byte'],
  ['a gzip that does not say so', [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], 'wrong_first_byte'],
  ['blanks alone', ' \r\n\t', 'empty'],
];

/** Each follows a line with a valid record. */
const ON_A_LINE: Row[] = [
  ['an object over two lines', '{"a":▲\n1}\n', MALFORMED],
  ['a comma at the end of a line', '{"a":1}▲,\n', MALFORMED],
  ['two objects on a line', '{} ▲{}\n', MALFORMED],
  ['lines that end in CR alone', '{}\r▲{}\r', MALFORMED],
  ['lines that end in a line separator', '{}▲\u2028{}', MALFORMED],
  ['a comment', '▲# none\n', MALFORMED],
  ['a word', '▲hello\n', MALFORMED],
  ['a NUL for a line', '▲\0\n', MALFORMED],
  ['a no-break space for a line', '▲\u00a0\n', MALFORMED],
  ['a vertical tab for a line', '▲\v\n', MALFORMED],
  ['a byte order mark on a later line', '▲\ufeff{}\n', MALFORMED],
  ['an event of a stream', '▲data: {}\n', MALFORMED],
  ['a record separator', '▲\u001e{}\n', MALFORMED],
  ['a bracket alone', '[▲\n', MALFORMED],
  ['a closing bracket alone', '▲]\n', MALFORMED],
  ['a value that is cut', '{"a":"b▲', TRUNCATED],
  ['a character that is cut', ['{"a":"', 0xe2, 0x82, FAULT], TRUNCATED],
  ['a character that the line cuts', ['{"a":"', FAULT, 0xe2, 0x82, '\n'], UTF8],
  ['invalid UTF-8', ['{"a":"', FAULT, 0xff, '"}\n'], UTF8],
  ['a surrogate', ['{"a":"', FAULT, 0xed, 0xa0, 0x80, '"}\n'], UTF8],
  ['nested too deep', `${'{"a":'.repeat(64)}▲{}${'}'.repeat(64)}\n`, 'nesting_too_deep'],
  ['too large', `{"a":"${'x'.repeat(MIB - 6)}▲xxx"}\n`, 'record_too_large'],
  ['no end', `${'['.repeat(64)}▲[`, 'nesting_too_deep'],
];

/** Each follows a header and a valid row. */
const IN_A_TABLE: Row[] = [
  ['a cell too many', '▲2,a,b,c\n', 'malformed_csv'],
  ['a cell too few', '▲2,a\n', 'malformed_csv'],
  ['a quote inside a cell', '▲2,a"b,c\n', 'malformed_csv'],
  ['text after a closing quote', '▲2,"a"b,c\n', 'malformed_csv'],
  ['a blank before a quote', '▲2, "a",c\n', 'malformed_csv'],
  ['a quote escaped with a backslash', '▲2,"a\\"b",c\n', 'malformed_csv'],
  ['a quote that is never closed', '2,"a,b\n▲', TRUNCATED],
  ['lines that end in CR alone', '▲2,a,b\r3,a,b\r', 'malformed_csv'],
  ['a character that is cut', ['2,a,', 0xc3, FAULT], TRUNCATED],
  ['invalid UTF-8', ['2,', FAULT, 0xff, ',b\n'], UTF8],
  ['Latin-1', ['2,M', FAULT, 0xfc, 'ller,b\n'], UTF8],
  ['a surrogate', ['2,', FAULT, 0xed, 0xa0, 0x80, ',b\n'], UTF8],
  ['two bytes for a comma', ['2,a', FAULT, 0xc0, 0xac, 'b\n'], UTF8],
  ['invalid UTF-8 in quotes', ['2,"', FAULT, 0x80, '",b\n'], UTF8],
  ['a row too large', `2,${'x'.repeat(MIB - 2)}▲x,b\n`, 'record_too_large'],
  ['a quoted cell without end', `2,"${'x\n'.repeat(MIB)}`, 'record_too_large'],
];

const AS_A_TABLE: Row[] = [
  ['a column twice', '▲externalId,firstName,externalId\n1,a,b\n', 'malformed_csv'],
  ['a column without a name', '▲externalId,,lastName\n1,a,b\n', 'malformed_csv'],
  ['a comma at the end of the header', '▲externalId,firstName,lastName,\n1,a,b,\n', 'malformed_csv'],
  ['lines that end in CR alone throughout', '▲externalId,firstName,lastName\r1,a,b\r', 'malformed_csv'],
  ['a NUL in the header', '▲externalId,first\0Name,lastName\n1,a,b\n', 'malformed_csv'],
  ['a quote in the header that is never closed', '"externalId,firstName\n1,a\n▲', TRUNCATED],
  ['invalid UTF-8 in the header', ['external', FAULT, 0xff, ',firstName\n'], UTF8],
];

export const MALFORMED_JSON: MalformedBody[] = [
  ...IN_A_LIST.map((row) => malformed(row, `[${RECORD},\n`)),
  ...AFTER_THE_END.map((row) => malformed(row, `[${RECORD}]`)),
  ...IN_JSON.map((row) => malformed(row, '')),
  ...REFUSED_AT_ONCE.map((row) => malformed(row, '')),
];

export const MALFORMED_NDJSON: MalformedBody[] = ON_A_LINE.map((row) => malformed(row, `${RECORD}\n`));

export const MALFORMED_CSV: MalformedBody[] = [
  ...IN_A_TABLE.map((row) => malformed(row, `${HEADER}1,Changed,Here\n`)),
  ...AS_A_TABLE.map((row) => malformed(row, '')),
];

function malformed([what, bytes, code]: Row, before: string): MalformedBody {
  const marked = Buffer.concat([before, ...(typeof bytes === 'string' ? [bytes] : bytes)].map(bytesOf));
  const at = marked.indexOf(FAULT);
  if (at === -1) return { what, body: marked, code, byteOffset: null };
  const body = Buffer.concat([marked.subarray(0, at), marked.subarray(at + Buffer.byteLength(FAULT))]);
  return { what, body, code, byteOffset: at };
}

function bytesOf(part: string | number): Buffer {
  return typeof part === 'number' ? Buffer.of(part) : Buffer.from(part);
}
