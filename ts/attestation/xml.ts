import { EvidenceEncodingError } from "./errors.ts";

/** An element, with the namespaces in scope by prefix ("" is the default's). */
export interface XmlElement {
  readonly name: string;
  /** By name as written; without declarations of namespaces. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly scope: ReadonlyMap<string, string>;
  readonly children: readonly (XmlElement | string)[];
}

const XML = "http://www.w3.org/XML/1998/namespace";
const NAME = /[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?/y;
const SPACE = /[ \t\n]*/y;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const DEEPEST = 64;

const fail = (at: number, reason: string): never => {
  throw new EvidenceEncodingError("XML", `At character ${at}: ${reason}`);
};

/** The namespace of a prefixed name; attributes without a prefix have none. */
export function namespaceOf(element: XmlElement, name: string, isAttribute = false): string {
  const prefix = name.includes(":") ? name.slice(0, name.indexOf(":")) : "";
  if (isAttribute && prefix === "") return "";
  return prefix === "xml" ? XML : (element.scope.get(prefix) ?? "");
}

/** The name without its prefix. */
export const localName = (name: string): string => name.slice(name.indexOf(":") + 1);

/** The elements directly inside, of this namespace and name. */
export function childrenOf(element: XmlElement, namespace: string, local: string): XmlElement[] {
  return element.children.filter(
    (child): child is XmlElement =>
      typeof child !== "string" && localName(child.name) === local && namespaceOf(child, child.name) === namespace,
  );
}

/** All text inside. */
export const textOf = (element: XmlElement): string =>
  element.children.map((child) => (typeof child === "string" ? child : textOf(child))).join("");

/**
 * Reads a document: elements, attributes, text, the five entities of XML. What signed manifests do not need is refused: document types
 * (and with them other entities), processing instructions but for the declaration, comments, CDATA, character references.
 *
 * @throws EvidenceEncodingError
 */
export function parseXml(source: string): XmlElement {
  const text = source.replace(/\r\n?/g, "\n").replace(/^<\?xml[^<>]*\?>/, "");
  let at = 0;
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };
  const take = (token: string): boolean => {
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const expect = (token: string) => take(token) || fail(at, `"${token}" is missing.`);
  const plain = (raw: string): string =>
    raw.replace(
      /&([^;]*);?/g,
      (_, entity: string) => ENTITIES[entity] ?? fail(at, `The entity "${entity}" is unknown.`),
    );

  const attribute = (): [string, string] => {
    const name = match(NAME) || fail(at, "An attribute has no name.");
    expect("=");
    const quote = take('"') ? '"' : take("'") ? "'" : fail(at, "A value has no quotes.");
    const end = text.indexOf(quote, at);
    const raw = end < 0 ? fail(at, "A value has no end.") : text.slice(at, end);
    if (raw.includes("<")) fail(at, "A value holds a tag.");
    at = end + 1;
    return [name, plain(raw.replace(/[\t\n]/g, " "))];
  };

  const element = (outer: ReadonlyMap<string, string>, depth: number): XmlElement => {
    if (depth > DEEPEST) fail(at, "Elements are nested too deeply.");
    expect("<");
    const name = match(NAME) || fail(at, "An element has no name.");
    const attributes = new Map<string, string>();
    const scope = new Map(outer);
    const declared = new Set<string>();
    while (match(SPACE) !== "" && /[A-Za-z_]/.test(text[at] ?? "")) {
      const [key, value] = attribute();
      const prefix = key === "xmlns" ? "" : key.startsWith("xmlns:") ? key.slice(6) : undefined;
      const seen = prefix === undefined ? attributes.has(key) : declared.has(prefix);
      if (seen) fail(at, `"${key}" occurs twice.`);
      if (prefix === undefined) attributes.set(key, value);
      else {
        declared.add(prefix);
        scope.set(prefix, value);
      }
    }
    const children: (XmlElement | string)[] = [];
    const out = { name, attributes, scope, children };
    for (const key of [name, ...attributes.keys()])
      if (key.includes(":") && namespaceOf(out, key) === "") fail(at, `The prefix of "${key}" is unknown.`);
    const expanded = [...attributes.keys()].map((key) => `${namespaceOf(out, key, true)} ${localName(key)}`);
    if (new Set(expanded).size !== expanded.length) fail(at, "An attribute occurs twice.");
    if (take("/>")) return out;
    expect(">");
    for (;;) {
      const next = text.indexOf("<", at);
      if (next < 0) fail(at, `"${name}" has no end.`);
      if (next > at) children.push(plain(text.slice(at, next)));
      at = next;
      if (take("</")) break;
      children.push(element(scope, depth + 1));
    }
    expect(name);
    match(SPACE);
    expect(">");
    return out;
  };

  match(SPACE);
  const root = element(new Map(), 0);
  match(SPACE);
  if (at !== text.length) fail(at, "Something follows the document.");
  return root;
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const escapeText = (value: string): string =>
  value.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;" })[c] ?? "&gt;");
const escapeValue = (value: string): string =>
  value.replace(/[&<"]/g, (c) => ({ "&": "&amp;", "<": "&lt;" })[c] ?? "&quot;");

/**
 * Canonical XML 1.1 of an element, namespaces in scope included. Attributes of the namespace "xml" above it are not inherited: the
 * documents that are read here have none.
 *
 * @param without An element inside that is left out (the enveloped signature).
 */
export function canonical(element: XmlElement, without?: XmlElement): string {
  const write = (e: XmlElement, rendered: ReadonlyMap<string, string>): string => {
    const declarations = [...e.scope]
      .filter(([prefix, uri]) => (rendered.get(prefix) ?? "") !== uri)
      .sort(([a], [b]) => order(a, b))
      .map(([prefix, uri]) => ` xmlns${prefix === "" ? "" : `:${prefix}`}="${escapeValue(uri)}"`);
    const key = (name: string) => `${namespaceOf(e, name, true)} ${localName(name)}`;
    const attributes = [...e.attributes]
      .sort(([a], [b]) => order(key(a), key(b)))
      .map(([name, value]) => ` ${name}="${escapeValue(value)}"`);
    const inside = e.children
      .filter((child) => child !== without)
      .map((child) => (typeof child === "string" ? escapeText(child) : write(child, e.scope)));
    return `<${e.name}${declarations.join("")}${attributes.join("")}>${inside.join("")}</${e.name}>`;
  };
  return write(element, new Map());
}
