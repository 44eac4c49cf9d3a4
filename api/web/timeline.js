// Time to liquidation against time to fund over the stored reports, drawn by Plotly, which the service serves itself.
import { el, span } from "/web/charts.js";

const TICKS = [[1, "1 s"], [60, "1 min"], [3600, "1 h"], [86400, "1 d"], [2592000, "30 d"]];
const TONES = ["--accent", "--latency", "--safe", "--unknown", "--dead", "--watch"];
let library = null;

// Some megabytes, and only for this picture: asked for once, when it is needed.
function plotly() {
  library ??= new Promise((done, failed) => {
    const tag = el("script", { src: "/web/plotly.js" });
    tag.addEventListener("load", () => done(globalThis.Plotly));
    tag.addEventListener("error", () => { library = null; failed(new Error("the chart library did not load")); });
    document.head.append(tag);
  });
  return library;
}

function tone(name) {
  const probe = el("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// One line to liquidation, one dashed to help for each venue account; what is not known is a gap.
function traces(reports) {
  const lines = new Map();
  for (const report of reports) {
    for (const venue of report.venues) {
      const key = `${venue.account}/${venue.venue}/${venue.sub_account}`;
      if (!lines.has(key)) lines.set(key, { name: venue.venue, time: [], ttl: [], ttf: [] });
      const line = lines.get(key), seconds = (text) => (text === null || text === undefined ? null : Math.max(Number(text), 1));
      line.time.push(report.time);
      line.ttl.push(seconds(venue.ttl_s ?? venue.ttl_exceeds_s));
      line.ttf.push(seconds(venue.ttf_s));
    }
  }
  return [...lines.values()].filter((line) => line.ttl.some((s) => s !== null));
}

export function timeline(history) {
  const reports = [...history.reports].reverse(), lines = traces(reports);
  if (!lines.length) return el("p", { class: "quiet" }, "Nothing is owed: nothing can be liquidated.");
  const told = lines.map((line) => `${line.name}: liquidation in ${span(line.ttl.at(-1))}, help in ${span(line.ttf.at(-1))}`);
  const place = el("div", { id: "timeline", role: "img", "aria-label": `Over ${reports.length} reports. Now ${told.join("; ")}` });
  draw(place, lines).catch((error) => place.replaceChildren(el("p", { class: "alarm" }, error.message)));
  return el("div", {}, place, el("p", { class: "quiet" }, "Solid: until liquidation at 99 %. Dashed: until help has arrived at 99 %. Where dashed is above, help comes too late."));
}

async function draw(place, lines) {
  const chart = await plotly(), ink = tone("--ink"), line = tone("--line");
  const data = lines.flatMap((one, i) => {
    const shared = { x: one.time, type: "scatter", mode: "lines+markers", marker: { size: 4 }, hovertemplate: "%{text}", legendgroup: `${i}` };
    const color = tone(TONES[i % TONES.length]);
    return [
      { ...shared, y: one.ttl, name: one.name, line: { color, width: 2 }, text: one.ttl.map((s) => `liquidation in ${span(s)}`) },
      { ...shared, y: one.ttf, name: "help", showlegend: false, line: { color, width: 1.5, dash: "dash" }, text: one.ttf.map((s) => `help in ${span(s)}`) },
    ];
  });
  const axis = { color: ink, gridcolor: line, zeroline: false };
  const layout = {
    height: 260, margin: { l: 48, r: 8, t: 6, b: 34 }, paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: ink, size: 12 },
    xaxis: { ...axis, type: "date" }, yaxis: { ...axis, type: "log", tickvals: TICKS.map(([s]) => s), ticktext: TICKS.map(([, name]) => name) },
    legend: { orientation: "h", y: 1.18 }, hovermode: "closest",
  };
  await chart.newPlot(place, data, layout, { displayModeBar: false, responsive: true });
  document.getElementById("js-plotly-tester")?.setAttribute("aria-hidden", "true");  // it measures texts out of sight
}
