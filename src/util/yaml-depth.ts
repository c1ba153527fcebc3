/**
 * The line at which YAML's lexemes hold more than `most` levels of brackets, of `- - -` in one line, or of ever deeper
 * indentation; undefined where they do not. Needs no recursion and no more memory than the levels.
 */
export function refuseDeepNesting(lexemes: Iterable<string>, most: number): number | undefined {
  let line = 1;
  let brackets = 0;
  /** Columns at which the lines that are still open began. */
  const columns: number[] = [];
  let column = 0;
  let begins = true;
  for (const lexeme of lexemes) {
    const [first] = lexeme;
    if (first === '[' || first === '{') brackets++;
    else if ((first === ']' || first === '}') && brackets > 0) brackets--;
    const blank = first === ' ' || first === '\n' || first === '\r' || first === '#' || first === '\t';
    if (!blank && lexeme.length > 0 && !MARKS.has(lexeme) && (begins || lexeme === '-' || lexeme === '?')) {
      while (columns.length > 0 && (columns.at(-1) as number) >= column) columns.pop();
      columns.push(column);
      begins = lexeme === '-' || lexeme === '?';
    }
    if (brackets + columns.length > most) return line;
    for (let at = lexeme.indexOf('\n'); at >= 0; at = lexeme.indexOf('\n', at + 1)) line++;
    const end = lexeme.lastIndexOf('\n');
    if (end >= 0) begins = true;
    column = end >= 0 ? lexeme.length - end - 1 : MARKS.has(lexeme) ? column : column + lexeme.length;
  }
  return undefined;
}

/** What the lexer puts between, and is not in the text: a byte order mark, the start of a document, of a scalar, the end of a flow. */
const MARKS: ReadonlySet<string> = new Set(['\ufeff', '\u0002', '\u0018', '\u001f']);
