/** What the lexer puts between, and is not in the text: a byte order mark, the start of a document, of a scalar, the end of a flow. */
const MARKS: ReadonlySet<string> = new Set(['\ufeff', '\u0002', '\u0018', '\u001f']);

/**
 * Watches YAML's lexemes as they go by, so that nothing is parsed that could not be: levels, of brackets, of `- - -` in one
 * line and of ever deeper indentation, and lexemes, each of which takes some 400 bytes of memory. Needs no more memory
 * itself than there are levels.
 */
export class YamlBounds {
  /** The line that is read now. */
  line = 1;
  readonly #mostLevels: number;
  readonly #mostLexemes: number;
  #lexemes = 0;
  #brackets = 0;
  /** Columns at which the lines that are still open began. */
  readonly #columns: number[] = [];
  #column = 0;
  #begins = true;

  constructor(mostLevels: number, mostLexemes: number) {
    this.#mostLevels = mostLevels;
    this.#mostLexemes = mostLexemes;
  }

  /** What is wrong with the text up to and with this lexeme; undefined if nothing is. */
  add(lexeme: string): string | undefined {
    const [first] = lexeme;
    if (first === '[' || first === '{') this.#brackets++;
    else if ((first === ']' || first === '}') && this.#brackets > 0) this.#brackets--;
    if (this.#opens(lexeme, first)) this.#open(lexeme);
    if (this.#brackets + this.#columns.length > this.#mostLevels) {
      return `is nested more than ${this.#mostLevels} levels deep`;
    }
    if (++this.#lexemes > this.#mostLexemes) return 'has too many values by here; split it';
    this.#goOn(lexeme);
    return undefined;
  }

  #opens(lexeme: string, first: string | undefined): boolean {
    const blank = first === undefined || first === ' ' || first === '\n' || first === '\r' || first === '#';
    if (blank || first === '\t' || MARKS.has(lexeme)) return false;
    return this.#begins || lexeme === '-' || lexeme === '?';
  }

  #open(lexeme: string): void {
    const columns = this.#columns;
    while (columns.length > 0 && (columns.at(-1) as number) >= this.#column) columns.pop();
    columns.push(this.#column);
    this.#begins = lexeme === '-' || lexeme === '?';
  }

  #goOn(lexeme: string): void {
    let end = -1;
    for (let at = lexeme.indexOf('\n'); at >= 0; at = lexeme.indexOf('\n', at + 1)) {
      this.line++;
      end = at;
    }
    if (end >= 0) {
      this.#begins = true;
      this.#column = lexeme.length - end - 1;
    } else if (!MARKS.has(lexeme)) {
      this.#column += lexeme.length;
    }
  }
}
