// The TSDoc of an interface's members, for the pages and files that are made of it.

/**
 * @param {string} source
 * @param {string} name of the interface
 * @returns {{ member: string, optional: boolean, type: string, says: string, standard: string }[]}
 */
export function members(source, name) {
  const body = source.match(new RegExp(`export interface ${name}[^{]*\\{\\n([\\s\\S]*?)\\n\\}`))?.[1];
  if (body === undefined) throw new Error(`no interface ${name}`);
  const found = [...body.matchAll(/(?:\/\*\*([\s\S]*?)\*\/\s*)?\n?\s*(\w+)(\??): ([^\n]+);/g)];
  return found.map(([, comment = '', member, optional, type]) => {
    const [says = '', standard = ''] = comment.replace(/\s*\n\s*\*\s?/g, ' ').split('@default');
    return { member, optional: optional !== '', type: type.trim(), says: says.trim(), standard: standard.trim() };
  });
}
