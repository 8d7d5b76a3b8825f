/** Readers of what a sweep writes, strict and independent of the writers: CSV by RFC 4180, and the part of XML 1.0 that an SVG needs. */

/** @throws where a quote stands in a bare cell, or a quoted cell does not end */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) throw new Error('a quoted cell does not end');
        if (text[at] === '"' && text[at + 1] === '"') at++;
        else if (text[at] === '"') break;
        cell += text[at];
      }
      at++;
    } else {
      while (at < text.length && !/[,\n]/.test(text[at] as string)) {
        if (/["\r]/.test(text[at] as string)) throw new Error(`character ${at}: ${JSON.stringify(text[at])} in a bare cell`);
        cell += text[at++];
      }
    }
    row.push(cell);
    const end = text[at++];
    if (end === '\n' || end === undefined) {
      rows.push(row);
      row = [];
    } else if (end !== ',') throw new Error(`character ${at}: ${JSON.stringify(end)} behind a quoted cell`);
    else if (at === text.length) row.push('');
  }
  return rows;
}

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: XmlElement[];
  text: string;
  /** Itself and all below it. */
  all(): XmlElement[];
}

/** @throws where the text is not well-formed: tags that do not match, bare `<` or `&`, an attribute twice, a character that XML does not allow */
export function parseXml(text: string): XmlElement {
  const stack: XmlElement[] = [];
  let root: XmlElement | null = null;
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text) || /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)) throw new Error('a character that XML does not allow');
  const unescape = (raw: string): string => {
    if (/[<]|&(?!(amp|lt|gt|quot|apos);)/.test(raw)) throw new Error(`bare markup in ${JSON.stringify(raw)}`);
    return raw.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })[name] as string);
  };
  const token = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|[^<]+/gy;
  while (token.lastIndex < text.length) {
    const from = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new Error(`character ${from}: not well-formed: ${text.slice(from, from + 40)}`);
    const [whole, closing, name, attributes = '', empty] = match;
    const parent = stack.at(-1);
    if (name === undefined) {
      if (parent === undefined && whole.trim() !== '') throw new Error(`text outside of the root: ${whole}`);
      if (parent !== undefined) parent.text += unescape(whole);
      continue;
    }
    if (closing === '/') {
      if (stack.pop()?.name !== name) throw new Error(`</${name}> closes what was not open`);
      continue;
    }
    const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, unescape(value)] as const);
    if (new Set(pairs.map(([key]) => key)).size !== pairs.length) throw new Error(`<${name}> has an attribute twice`);
    const element: XmlElement = { name, attributes: Object.fromEntries(pairs), children: [], text: '', all: () => [element, ...element.children.flatMap((child) => child.all())] };
    if (parent !== undefined) parent.children.push(element);
    else if (root === null) root = element;
    else throw new Error('a second root');
    if (empty !== '/') stack.push(element);
  }
  if (root === null || stack.length > 0) throw new Error(root === null ? 'no root' : `<${stack.at(-1)?.name}> is not closed`);
  return root;
}
