import { EvidenceEncodingError } from "../errors.ts";

/** An element with its attributes (namespace declarations among them) and contents, as written. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly children: readonly (XmlElement | string)[];
}

const MOST_CHARACTERS = 1 << 20;
const MOST_DEPTH = 32;
const MOST_NAMESPACES = 16;
const NAME = "[A-Za-z_][\\w.-]*(?::[A-Za-z_][\\w.-]*)?";
/** Start tags and end tags, each from where the reader stands. */
const TAG = new RegExp(`<(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)>|</(${NAME})\\s*>`, "y");
const ATTRIBUTE = new RegExp(`\\s+(${NAME})\\s*=\\s*(?:"([^"<]*)"|'([^'<]*)')`, "g");
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const fail = (reason: string): never => {
  throw new EvidenceEncodingError("XML", reason);
};

/**
 * Reads XML of elements, attributes and text only: no document type, comments, processing instructions or CDATA, which signed manifests do not
 * have, and in which two readers could see two documents.
 *
 * @throws EvidenceEncodingError if the text is anything else, larger than 1 MiB or deeper than 32 elements.
 */
export function parseXml(source: string): XmlElement {
  if (source.length > MOST_CHARACTERS) fail(`It has ${source.length} characters.`);
  const text = source.replace(/\r\n?/g, "\n").trim();
  const root: { children: (XmlElement | string)[] } = { children: [] };
  const open: { name: string; children: (XmlElement | string)[] }[] = [{ name: "", ...root }];
  for (let at = 0; at < text.length; ) {
    const top = open.at(-1)!;
    const next = text.indexOf("<", at);
    const end = next < 0 ? text.length : next;
    if (end > at) {
      if (open.length === 1) fail("There is text beside its root.");
      top.children.push(decoded(text.slice(at, end)));
    }
    if (next < 0) break;
    TAG.lastIndex = next;
    const match = TAG.exec(text);
    if (match === null) return fail(`What is at character ${next} is no tag that manifests have.`);
    at = TAG.lastIndex;
    const [, name, attributes, empty, closed] = match;
    if (name !== undefined) {
      if (open.length > MOST_DEPTH || (open.length === 1 && top.children.length > 0))
        fail("It is too deep, or two documents.");
      const element = { name, attributes: attributesOf(attributes!), children: [] };
      top.children.push(element);
      if (empty === "") open.push(element);
    } else if (open.length === 1 || open.pop()!.name !== closed) fail(`</${closed}> ends another element.`);
  }
  const [only] = open[0]!.children;
  if (open.length > 1 || only === undefined || typeof only === "string") return fail("It is not one whole element.");
  return only;
}

function attributesOf(source: string): (readonly [string, string])[] {
  const found = [...source.matchAll(ATTRIBUTE)].map(
    ([, name, double, single]) => [name!, decoded((double ?? single)!.replace(/[\t\n]/g, " "))] as const,
  );
  if (new Set(found.map(([name]) => name)).size !== found.length) fail("An attribute is there twice.");
  return found;
}

function decoded(text: string): string {
  if (text.includes("]]>")) fail("It has a mark of CDATA.");
  return text.replace(/&([^;&]*)(;?)/g, (whole, name: string, end: string) => {
    const entity = ENTITIES[name];
    // Characters by number do not occur, and would be a second way to write any other.
    return entity !== undefined && end === ";"
      ? entity
      : fail(`${whole.slice(0, 16)} is no entity that manifests have.`);
  });
}

/** Namespaces in scope: prefix to URI; "" for the default one. */
export type Scope = ReadonlyMap<string, string>;

/** The namespaces in scope within an element. */
export function scopeOf({ attributes }: XmlElement, outer: Scope): Scope {
  const scope = new Map(outer);
  for (const [name, value] of attributes) {
    const prefix = prefixOf(name);
    if (prefix === undefined) continue;
    if (prefix !== "" && value === "") fail(`The prefix ${prefix} stands for nothing.`);
    scope.set(prefix, value);
  }
  // Each element looks at all: many of both would take for ever.
  if (scope.size > MOST_NAMESPACES) fail(`More than ${MOST_NAMESPACES} namespaces are in scope.`);
  return scope;
}

/** The URI of an element's or attribute's namespace. Attributes without prefix have none. */
export function namespaceOf(name: string, scope: Scope, isAttribute = false): string {
  const [prefix, local] = name.includes(":") ? (name.split(":") as [string, string]) : ["", name];
  if (prefix === "" && isAttribute) return "";
  return scope.get(prefix) ?? (prefix === "" ? "" : fail(`The prefix of ${prefix}:${local} is not declared.`));
}

/** A name without its prefix. */
export const localName = (name: string): string => name.slice(name.indexOf(":") + 1);

function prefixOf(name: string): string | undefined {
  if (name === "xmlns") return "";
  return name.startsWith("xmlns:") ? name.slice(6) : undefined;
}

/**
 * Canonical XML 1.1 without comments (xml-c14n11) of an element.
 *
 * @param outer Namespaces in scope around it: canonical subsets declare them at their top.
 * @param without A child of `element` that is left out, as the enveloped signature is.
 */
export function canonical(element: XmlElement, outer: Scope = new Map(), without?: XmlElement): string {
  const out: string[] = [];
  write(element, { scope: outer, shown: new Map(), without }, out);
  return out.join("");
}

function write(
  element: XmlElement,
  { scope: outer, shown, without }: { scope: Scope; shown: Scope; without?: XmlElement | undefined },
  out: string[],
): void {
  const scope = scopeOf(element, outer);
  if (scope.has("xml") || element.attributes.some(([name]) => name.startsWith("xml:")))
    fail("Attributes of the xml namespace are inherited by canonical subsets: manifests have none.");
  namespaceOf(element.name, scope);
  const declared = [...scope].filter(([prefix, uri]) => (shown.get(prefix) ?? "") !== uri).sort(byFirst);
  const attributes = element.attributes
    .filter(([name]) => prefixOf(name) === undefined)
    .map(([name, value]) => [`${namespaceOf(name, scope, true)}\0${localName(name)}`, name, value] as const)
    .sort(byFirst);
  if (new Set(attributes.map(([key]) => key)).size !== attributes.length)
    fail("An attribute is there twice, by two prefixes.");
  out.push("<", element.name);
  for (const [prefix, uri] of declared) out.push(` xmlns${prefix === "" ? "" : `:${prefix}`}="`, attribute(uri), '"');
  for (const [, name, value] of attributes) out.push(" ", name, '="', attribute(value), '"');
  out.push(">");
  for (const child of element.children)
    if (typeof child === "string") out.push(child.replace(/[&<>\r]/g, escaped));
    else if (child !== without) write(child, { scope, shown: scope }, out);
  out.push("</", element.name, ">");
}

const byFirst = ([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]) =>
  a < b ? -1 : a > b ? 1 : 0;
const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" },
  ...{ "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;" },
};
const escaped = (character: string): string => ESCAPES[character]!;
const attribute = (value: string): string => value.replace(/[&<"\t\n\r]/g, escaped);
