/**
 * DOM building without innerHTML: everything that comes from people or the bot ends up in text nodes.
 */

const AS_PROPERTY = new Set([
  "value",
  "checked",
  "disabled",
  "hidden",
  "tabIndex",
  "selected",
  "indeterminate",
  "inert",
]);

/**
 * An element with attributes, listeners (`onclick: fn`) and children. `null`, `undefined` and `false` are left out,
 * both as attribute values and as children.
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (AS_PROPERTY.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

let serial = 0;

/** An id that no other element of this page has. */
export function uid(prefix) {
  serial += 1;
  return `${prefix}-${serial}`;
}

/**
 * Make `parent` hold exactly `nodes`, in order, without touching those that already stand right: a node that is moved
 * or re-inserted would lose its focus, its selection and its half-typed text.
 */
export function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}

/** `fn`, called once after `wait` ms without another call. */
export function debounce(fn, wait) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), wait);
  };
}

/** What Tab can reach inside `root`, in document order. */
export function focusables(root) {
  const all = root.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']");
  return [...all].filter((node) => !node.disabled && node.tabIndex >= 0 && node.offsetParent !== null);
}

/** Keep Tab inside `root`; for its keydown listener. */
export function trapTab(event, root) {
  if (event.key !== "Tab") return;
  const stops = focusables(root);
  if (stops.length === 0) return;
  const leaving = event.shiftKey ? stops[0] : stops.at(-1);
  if (document.activeElement !== leaving && document.activeElement !== root) return;
  if (document.activeElement === root && !event.shiftKey) return;
  event.preventDefault();
  (event.shiftKey ? stops.at(-1) : stops[0]).focus();
}
