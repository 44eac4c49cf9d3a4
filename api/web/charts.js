// Pictures as SVG, made from figures; an unknown figure is drawn as unknown and never as nothing.
const NS = "http://www.w3.org/2000/svg";

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function shape(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function canvas(width, height, label) {
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
}

export function usd(text) {
  if (text === null || text === undefined) return "unknown";
  const value = Number(text), size = Math.abs(value), sign = value < 0 ? "−" : "";
  if (size >= 1e6) return `${sign}$${(size / 1e6).toFixed(2)}m`;
  if (size >= 1e4) return `${sign}$${(size / 1e3).toFixed(1)}k`;
  return `${sign}$${size.toLocaleString("en", { maximumFractionDigits: size < 10 ? 2 : 0 })}`;
}

export function span(text, beyond) {
  if (text === null || text === undefined) return beyond ? `over ${span(beyond)}` : "unknown";
  const s = Number(text);
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${(s / 3600).toFixed(1)} h`;
  return `${(s / 86400).toFixed(1)} d`;
}

// What the portfolio must hold beside its venues' requirements: nothing netted, as latency allows, all netted.
export function buffers(report) {
  const rows = [
    ["isolated", report.isolated_buffer_usd, 0],
    ["unified", report.unified_buffer_usd, report.bridge_latency_addon_usd],
    ["netted", report.netted_buffer_usd, 0],
  ];
  if (rows.some(([, total]) => total === null)) return el("p", { class: "UNKNOWN tone" }, "unknown");
  const most = Math.max(...rows.map(([, total]) => Number(total)), 1);
  const told = rows.map(([name, total]) => `${name} ${usd(total)}`).join(", ");
  const svg = canvas(480, 130, `Buffers: ${told}; of the unified one ${usd(report.bridge_latency_addon_usd)} is latency`);
  rows.forEach(([name, total, latency], i) => {
    const y = 8 + i * 36, full = (300 * Number(total)) / most, late = (300 * Number(latency)) / most;
    svg.append(shape("text", { x: 0, y: y + 17 }, name));
    svg.append(shape("rect", { x: 70, y, width: Math.max(full - late, 0), height: 24, rx: 3, fill: "var(--accent)" }));
    if (late) svg.append(shape("rect", { x: 70 + full - late, y, width: late, height: 24, rx: 3, fill: "var(--latency)" }));
    svg.append(shape("text", { x: 78 + full, y: y + 17 }, usd(total)));
  });
  svg.append(shape("text", { x: 70, y: 124, class: "dim" }, `orange: bridge latency ${usd(report.bridge_latency_addon_usd)}`));
  return svg;
}

// Time to liquidation against time to fund, on one logarithmic axis from a second to 30 days.
export function race(venues) {
  const owing = venues.filter((v) => Number(v.mm_requirement_usd) !== 0 || v.mm_requirement_usd === null);
  if (!owing.length) return el("p", { class: "quiet" }, "Nothing is owed: nothing can be liquidated.");
  const x = (s) => 150 + (320 * Math.log10(Math.min(Math.max(Number(s), 1), 2592000))) / Math.log10(2592000);
  const told = owing.map((v) => `${v.venue}: liquidation in ${span(v.ttl_s, v.ttl_exceeds_s)}, help in ${span(v.ttf_s)}`);
  const svg = canvas(480, 34 + owing.length * 34, told.join("; "));
  owing.forEach((v, i) => {
    const y = 10 + i * 34;
    svg.append(shape("text", { x: 0, y: y + 15 }, `${v.venue}`.slice(0, 20)));
    svg.append(shape("line", { x1: 150, x2: 470, y1: y + 11, y2: y + 11, class: "axis" }));
    const end = v.ttl_s ?? v.ttl_exceeds_s;
    if (end === null) svg.append(shape("text", { x: 156, y: y + 15, fill: "var(--unknown)" }, "unknown"));
    else {
      const tone = v.status === "SAFE" ? "safe" : v.status === "WATCH" ? "watch" : "dead";
      svg.append(shape("rect", { x: 150, y: y + 3, width: Math.max(x(end) - 150, 2), height: 7, fill: `var(--${tone})` }));
    }
    if (v.ttf_s !== null) svg.append(shape("rect", { x: 150, y: y + 13, width: Math.max(x(v.ttf_s) - 150, 2), height: 7, fill: "var(--accent)" }));
  });
  const y = 24 + owing.length * 34;
  for (const [s, name] of [[1, "1 s"], [60, "1 min"], [3600, "1 h"], [86400, "1 d"], [2592000, "30 d"]]) {
    svg.append(shape("text", { x: x(s), y, "text-anchor": s > 1e6 ? "end" : "middle", class: "dim" }, name));
  }
  return el("div", {}, svg, el("p", { class: "quiet" }, "Upper bar: until liquidation at 99 %. Blue: until help has arrived at 99 %."));
}

// Chains as circles, the routes of each pair as a line with the quickest of them.
export function chains(report, bridges, names) {
  const ids = Object.keys(report.as_of.blocks);
  if (!ids.length) return el("p", { class: "UNKNOWN tone" }, "No chain could be read.");
  const sum = (id, field) => report.venues.filter((v) => v.chain === id).map((v) => v[field])
    .reduce((a, b) => (a === null || b === null ? null : a + Number(b)), 0);
  const at = ids.map((_, i) => [240 + 165 * Math.cos((2 * Math.PI * i) / ids.length - 2.36), 130 + 88 * Math.sin((2 * Math.PI * i) / ids.length - 2.36)]);
  const svg = canvas(480, 275, ids.map((id) => `${names(id)}: surplus ${usd(sum(id, "surplus_usd"))}, floor ${usd(sum(id, "local_floor_usd"))}`).join("; "));
  ids.forEach((a, i) => ids.slice(i + 1).forEach((b, k) => {
    const j = i + 1 + k;
    const routes = bridges.filter((r) => (r.source === a && r.destination === b) || (r.source === b && r.destination === a));
    if (!routes.length) return;
    const best = routes.reduce((p, q) => ((q.median_s ?? Infinity) < (p.median_s ?? Infinity) ? q : p));
    const line = shape("line", { x1: at[i][0], y1: at[i][1], x2: at[j][0], y2: at[j][1], stroke: "var(--line)", "stroke-width": 2 });
    line.append(shape("title", {}, routes.map((r) => `${r.bridge} ${names(r.source)}→${names(r.destination)}: half ${span(r.median_s)}, 99 % ${span(r.p99_s)}, ${r.fee_bps} bps, up to ${usd(r.capacity_usd)}`).join("\n")));
    svg.append(line);
    const across = Math.abs(i - j) === ids.length / 2, share = across ? (i % 2 ? 0.72 : 0.36) : 0.5;
    const place = { x: at[i][0] + (at[j][0] - at[i][0]) * share, y: at[i][1] + (at[j][1] - at[i][1]) * share - 4 };
    svg.append(shape("text", { ...place, "text-anchor": "middle", class: "dim" }, `${best.bridge} ${span(best.median_s)}`));
  }));
  ids.forEach((id, i) => {
    const state = report.as_of.chains[id]?.status ?? "ok";
    svg.append(shape("circle", { cx: at[i][0], cy: at[i][1], r: 9, fill: state === "ok" ? "var(--accent)" : "var(--dead)" }));
    svg.append(shape("text", { x: at[i][0], y: at[i][1] - 14, "text-anchor": "middle" }, state === "ok" ? names(id) : `${names(id)}: ${state}`));
    svg.append(shape("text", { x: at[i][0], y: at[i][1] + 25, "text-anchor": "middle", class: "dim" }, `${usd(sum(id, "surplus_usd"))}, floor ${usd(sum(id, "local_floor_usd"))}`));
  });
  return svg;
}

// A price's interval around its middle, and the sources that were left out as crosses, those farther away at the edge.
export function interval(price) {
  const svg = canvas(160, 18, `${price.price_key}: ${price.low_usd ?? "unknown"} to ${price.high_usd ?? "unknown"}`);
  if (price.mid_usd === null) {
    svg.append(shape("text", { x: 0, y: 13, fill: "var(--unknown)" }, "no price"));
    return svg;
  }
  const mid = Number(price.mid_usd), x = (p) => 80 + Math.max(-78, Math.min(78, ((Number(p) - mid) / mid) * 15600));
  svg.append(shape("line", { x1: 2, x2: 158, y1: 9, y2: 9, class: "axis" }));
  for (const out of price.dissenters.filter((d) => d.price_usd !== null)) {
    const at = x(out.price_usd);
    svg.append(shape("path", { d: `M${at - 3} 6l6 6m0 -6l-6 6`, stroke: "var(--dead)", "stroke-width": 1.5 }));
  }
  svg.append(shape("rect", { x: x(price.low_usd), y: 4, width: Math.max(x(price.high_usd) - x(price.low_usd), 2), height: 10, rx: 2, fill: "var(--accent)" }));
  return svg;
}

// Every way between the portfolio's chains, the quickest first.
export function routes(report, bridges, names) {
  const ids = new Set(report.venues.map((v) => v.chain)), ways = bridges.filter((r) => ids.has(r.source) && ids.has(r.destination));
  if (!ways.length) return el("p", { class: "quiet" }, ids.size > 1 ? "No route between these chains." : "One chain: nothing has to cross.");
  const rows = ways.sort((a, b) => (a.median_s ?? Infinity) - (b.median_s ?? Infinity)).map((r) => el("tr", {},
    el("td", {}, `${names(r.source)} → ${names(r.destination)}`), el("td", {}, r.bridge), el("td", {}, span(r.median_s)), el("td", {}, r.p99_s === null ? "may never" : span(r.p99_s)),
    el("td", {}, `${r.fee_bps} bps`), el("td", {}, usd(r.capacity_usd))));
  const head = ["way", "by", "half within", "99 % within", "fee", "up to"].map((name) => el("th", { scope: "col" }, name));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  return el("details", {}, el("summary", {}, `${ways.length} routes: fees, latency, capacity`), el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table of routes" }, table));
}

export function heat(map) {
  const table = el("table", { class: "heat" });
  const head = el("tr", {}, el("th", { scope: "col" }, "vol \\ spot"));
  map.spot_moves_pct.forEach((move) => head.append(el("th", { scope: "col" }, `${Number(move)} %`)));
  table.append(el("caption", { class: "quiet" }, "Change of value, USD; the framed cell loses most"), el("thead", {}, head));
  const most = Math.max(...map.change_usd.flat().map((x) => Math.abs(Number(x))), 1), body = el("tbody");
  map.change_usd.forEach((line, r) => {
    const row = el("tr", {}, el("th", { scope: "row" }, `${Number(map.vol_moves_pct[r])} %`));
    line.forEach((value, c) => {
      const share = Math.round((60 * Math.abs(Number(value))) / most), tone = Number(value) < 0 ? "dead" : "safe";
      const cell = el("td", {}, usd(value));
      cell.style.background = `color-mix(in srgb, var(--${tone}) ${share}%, transparent)`;
      if (r === map.worst[0] && c === map.worst[1]) cell.className = "worst";
      row.append(cell);
    });
    body.append(row);
  });
  table.append(body);
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Scenario table" }, table);
}
