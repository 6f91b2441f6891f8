// Makes and changes what is shown. Text is only ever set as text, never as markup, and only where
// it differs: what did not change keeps its focus, and a screen reader does not read it again.

export const byId = (id) => document.getElementById(id);

/** An element with these properties and children; `null` children are left out. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key === "text") element.textContent = value;
    else setAttribute(element, key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute; `null` and `false` remove it. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Lets a container hold one element per item, in the order of the items. An item whose key was
 * there before keeps its element, which is only updated. Of two items with one key the first
 * counts.
 */
export function keyed(container, items, { key, create, update }) {
  const before = container.parts ?? new Map();
  const parts = new Map();
  let place = container.firstElementChild;
  for (const item of items) {
    const name = key(item);
    if (parts.has(name)) continue;
    const part = before.get(name) ?? create(item);
    before.delete(name);
    parts.set(name, part);
    update(part, item);
    if (part.root === place) place = place.nextElementSibling;
    else container.insertBefore(part.root, place);
  }
  for (const part of before.values()) part.root.remove();
  container.parts = parts;
}
