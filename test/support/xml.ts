export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  /** Of this element alone. */
  text: string;
  children: XmlElement[];
}

const NAME = '[A-Za-z_][\\w.-]*';
const OPEN = new RegExp(`^<(${NAME})((?:\\s+${NAME}="[^<"]*")*)\\s*(/?)>$`);
const ATTRIBUTE = new RegExp(`(${NAME})="([^<"]*)"`, 'g');
const ENTITY = /&(?:(amp|lt|gt|quot)|#(\d+));|&/g;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };
const NOT_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

/** The root of an XML document without comments, CDATA and DTD. Throws where XML 1.0 would not have it. */
export function parseXml(document: string): XmlElement {
  const body = /^<\?xml version="1\.0" encoding="UTF-8"\?>\n(.*)$/s.exec(document)?.[1];
  if (body === undefined) throw new Error('there is no XML declaration');
  const bad = NOT_XML.exec(body);
  if (bad) throw new Error(`a character that XML has not: ${JSON.stringify(bad[0])} at ${bad.index}`);
  const top: XmlElement = { name: '', attributes: {}, text: '', children: [] };
  const open = [top];
  for (const token of body.match(/<[^>]*>|[^<]+|</g) ?? []) {
    const inside = open.at(-1)!;
    if (!token.startsWith('<')) {
      if (token.includes(']]>')) throw new Error(']]> in text');
      inside.text += decoded(token.replaceAll('\r\n', '\n').replaceAll('\r', '\n'));
    } else if (token.startsWith('</')) {
      if (token !== `</${inside.name}>`) throw new Error(`${token} ends ${inside.name}`);
      open.pop();
    } else {
      const [, name, list, empty] = OPEN.exec(token) ?? [];
      if (name === undefined) throw new Error(`no tag: ${token}`);
      const pairs = [...list!.matchAll(ATTRIBUTE)].map(([, key, value]) => [
        key!,
        decoded(value!.replace(/[\t\n\r]/g, ' ')),
      ]);
      const element = { name, attributes: Object.fromEntries(pairs), text: '', children: [] };
      inside.children.push(element);
      if (empty === '') open.push(element);
    }
  }
  if (open.length !== 1 || top.children.length !== 1 || top.text.trim() !== '')
    throw new Error('not one whole element');
  return top.children[0]!;
}

function decoded(text: string): string {
  return text.replace(ENTITY, (whole, name?: string, code?: string) => {
    if (whole === '&') throw new Error(`a bare & in ${JSON.stringify(text)}`);
    return name ? ENTITIES[name]! : String.fromCodePoint(Number(code));
  });
}
