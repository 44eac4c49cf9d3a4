// Makes elements and puts them in place. Text goes in as text: nothing that is read becomes markup.
const SVG = "http://www.w3.org/2000/svg";
const REACHED = "button, summary, a[href], input, select, [tabindex='0']";
const built = new WeakMap();

export const at = (id) => document.getElementById(id);

function attributed(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const el = (name, attributes = {}, ...children) =>
  attributed(document.createElement(name), attributes, children);
export const shape = (name, attributes = {}, ...children) =>
  attributed(document.createElementNS(SVG, name), attributes, children);

// New content for a place, only where it differs: what is open stays open, what has the focus keeps it.
export function settle(place, ...nodes) {
  const made = el("div", {}, ...nodes);
  if (built.get(place) === made.innerHTML) return;
  built.set(place, made.innerHTML);
  const open = [...place.querySelectorAll("details")].map((one) => one.open);
  const scrolled = [...place.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
  const focused = [...place.querySelectorAll(REACHED)].indexOf(document.activeElement);
  const name = document.activeElement?.dataset?.name;
  place.replaceChildren(...made.childNodes);
  place.querySelectorAll("details").forEach((one, i) => {
    one.open = open[i] ?? one.open;
  });
  place.querySelectorAll(".scroll").forEach((one, i) => one.scrollTo(...(scrolled[i] ?? [0, 0])));
  if (focused < 0) return;
  const same = name === undefined ? null : place.querySelector(`[data-name="${CSS.escape(name)}"]`);
  (same ?? place.querySelectorAll(REACHED)[focused])?.focus({ preventScroll: true });
}

// A table that scrolls by itself, by keyboard too. A cell is text, a node, or [class, text or nodes…]; a row may have
// `under`: nodes below it, over its whole width.
export function table(name, heads, rows) {
  const cell = (content) =>
    Array.isArray(content) ? el("td", { class: content[0] }, ...content.slice(1)) : el("td", {}, content);
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
  const below = (nodes) => el("tr", { class: "under" }, el("td", { colspan: heads.length }, ...nodes));
  const body = rows.flatMap(({ tone, cells, under }) => [
    el("tr", { class: tone }, ...cells.map(cell)),
    ...(under?.length ? [below(under)] : []),
  ]);
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": name },
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)),
  );
}

export const folded = (title, content) => el("details", {}, el("summary", {}, title), content);
export const unknownText = (text = "unknown") => el("p", { class: "UNKNOWN tone" }, text);
export const quiet = (text) => el("p", { class: "quiet" }, text);
