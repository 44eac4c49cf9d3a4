// Draws pictures by Plotly, which the service serves itself; each with its words and its table for who cannot see it.
import { at, el, folded, settle } from "/web/dom.js";

const drawn = new Map(); // id -> the picture that is shown, to draw it again in other colours
const painted = new Map(); // id -> what the library drew last
const dark = matchMedia("(prefers-color-scheme: dark)"),
  narrow = matchMedia("(max-width: 40rem)");
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset" };
let library = null;

// Some megabytes, and only for pictures: the words of the page do not wait for it.
function plotly() {
  library ??= new Promise((done, failed) => {
    const tag = el("script", { src: "/web/plotly.js" });
    tag.addEventListener("load", () => done(globalThis.Plotly));
    tag.addEventListener("error", () => {
      library = null;
      tag.remove();
      failed(new Error("the chart library did not load"));
    });
    document.head.append(tag);
  });
  return library;
}

// Plotly reads tags in texts: what comes from a chain or a person is shown as it is written.
export const plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
export const isNarrow = () => narrow.matches;

// The page's colours as the library takes them: `light-dark()` is resolved here.
export function tone(name) {
  const probe = el("span", { hidden: "" });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// `picture`: { told, note, table, plot: () => ({ height, traces, layout }) }, or { instead: nodes } where nothing is drawn.
export function draw(id, picture) {
  const place = at(id),
    words = at(`${id}-words`);
  place.hidden = !picture.plot;
  settle(
    words,
    ...(picture.instead ?? [
      picture.note ? el("p", { class: "quiet" }, picture.note) : null,
      picture.open ? picture.table : folded("as a table", picture.table),
    ]),
  );
  if (!picture.plot) {
    drawn.delete(id);
    return;
  }
  if (place.getAttribute("aria-label") !== picture.told) place.setAttribute("aria-label", picture.told);
  drawn.set(id, picture);
  paint(id, picture).catch((error) => {
    place.dataset.failed = error.message;
  });
}

async function paint(id, picture) {
  const chart = await plotly(),
    place = at(id);
  if (drawn.get(id) !== picture) return;
  const { height, traces, layout } = picture.plot(),
    made = JSON.stringify([height, traces, layout]);
  if (painted.get(id) === made) return;
  const font = { color: tone("ink"), family: "system-ui, sans-serif", size: 12 };
  const label = { bgcolor: tone("card"), bordercolor: tone("line"), font: { ...font, size: 12 } };
  await chart.react(
    place,
    traces,
    {
      height,
      margin: { l: 8, r: 12, t: 8, b: 8 },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      showlegend: false,
      dragmode: false,
      hoverlabel: label,
      font,
      uirevision: id,
      ...layout,
    },
    CONFIG,
  );
  painted.set(id, made);
  at("js-plotly-tester")?.setAttribute("aria-hidden", "true"); // it measures texts out of sight
}

// A colour between two of the page's own, as far from the first as the share says.
export function between(from, to, share) {
  const [a, b] = [from, to].map((name) =>
    tone(name)
      .match(/[\d.]+/g)
      .map(Number),
  );
  return `rgb(${[0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * share)).join(",")})`;
}

export function axis(more = {}) {
  return {
    color: tone("quiet"),
    gridcolor: tone("line"),
    linecolor: tone("line"),
    zeroline: false,
    fixedrange: true,
    automargin: true,
    ...more,
  };
}

function again() {
  drawn.forEach((picture, id) => paint(id, picture));
}
dark.addEventListener("change", again);
narrow.addEventListener("change", again);
