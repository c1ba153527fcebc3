/** What XML 1.0 (section 2.2) has no place for, not even escaped; halves of surrogate pairs included. */
const NOT_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const ESCAPED = /[&<>"\r]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
};

/** Any text as what stands between two tags: control characters as their pictures (`␛` for escape), other impossible ones as `�`. */
export function xmlText(text: string): string {
  // A parser turns a CR into a line feed unless it is escaped.
  return possible(text).replace(ESCAPED, (char) => ESCAPES[char]!);
}

/** The same for the value of an attribute, between double quotes, where line ends and tabs would become spaces. */
export function xmlAttribute(text: string): string {
  return xmlText(text).replace(/[\n\t]/g, (char) => ESCAPES[char]!);
}

function possible(text: string): string {
  return text.replace(NOT_XML, (char) => {
    const code = char.codePointAt(0)!;
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : '\ufffd';
  });
}
