/** Making elements from text alone: nothing that a proof holds is ever read as HTML. */

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  children: readonly (Node | string)[] = [],
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

export type Field = readonly [name: string, value: string];

export function fields(entries: readonly Field[]): HTMLElement {
  return element(
    "dl",
    {},
    entries.flatMap(([name, value]) => [element("dt", {}, [name]), element("dd", {}, [value])]),
  );
}

/** @throws Error where the page has no such element: then it was built wrong */
export function byId<E extends HTMLElement>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}
