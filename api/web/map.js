// The chains of a portfolio as a map: surplus and floor at each, between them the quickest route, all routes as a table.
import { folded, quiet, shape, table, unknownText } from "/web/dom.js";
import { isNarrow } from "/web/plot.js";
import { chainName, known, severity, span, TONES, usd } from "/web/words.js";

const quickness = (route) => route.median_s ?? Infinity;
const late = (route) => (known(route.p99_s) ? span(route.p99_s) : "may never");
const bps = (route) => (known(route.fee_bps) ? `${route.fee_bps} bps` : "fee unknown");

export function chains(report, holdings, bridges) {
  if (!holdings.length) return [quiet("Nothing is held on any chain.")];
  const ids = holdings.map((one) => one.name),
    between = bridges.filter((r) => ids.includes(r.source) && ids.includes(r.destination));
  const told = holdings
    .map((one) => `${chainName(one.name)}: surplus ${usd(one.surplus_usd)}, floor ${usd(one.local_floor_usd)}`)
    .join("; ");
  const size = { wide: isNarrow() ? 370 : 560, high: 330 },
    map = shape("svg", {
      viewBox: `0 0 ${size.wide} ${size.high}`,
      role: "img",
      "aria-label": `Chains. ${told}`,
    });
  const places = around(ids, size);
  pairs(ids).forEach(([a, b], i) => map.append(...edge(report, a, b, places, between, i)));
  holdings.forEach((one) => map.append(...node(report, one, places.get(one.name), size.high / 2)));
  return [
    map,
    told.includes("unknown")
      ? unknownText("What is not known on a chain is said there; nothing is counted as zero.")
      : null,
    routes(between, ids),
  ];
}

function around(ids, { wide, high }) {
  const corner = (i) => (2 * Math.PI * i) / ids.length - (ids.length === 4 ? 2.356 : Math.PI / 2);
  return new Map(
    ids.map((id, i) => [
      id,
      ids.length === 1
        ? [wide / 2, high / 2]
        : [wide / 2 + (wide / 2 - 16) * Math.cos(corner(i)), high / 2 + 150 * Math.sin(corner(i))],
    ]),
  );
}

const pairs = (ids) => ids.flatMap((a, i) => ids.slice(i + 1).map((b) => [a, b]));

function edge(report, a, b, places, bridges, turn) {
  const ways = bridges.filter(
    (r) => (r.source === a && r.destination === b) || (r.source === b && r.destination === a),
  );
  const [[x1, y1], [x2, y2]] = [places.get(a), places.get(b)],
    closed = report.no_route.some((pair) => pair.includes(a) && pair.includes(b));
  const line = shape("line", { x1, y1, x2, y2, class: closed || !ways.length ? "route closed" : "route" });
  const share = Math.abs(x2 - x1) > 10 && Math.abs(y2 - y1) > 10 ? (turn % 2 ? 0.68 : 0.32) : 0.5;
  const x = x1 + (x2 - x1) * share,
    y = y1 + (y2 - y1) * share,
    say = (dy, text) => shape("text", { x, y: y + dy, class: "dim halo", "text-anchor": "middle" }, text);
  if (!ways.length) return [line, say(4, "no route")];
  const best = ways.reduce((p, q) => (quickness(q) < quickness(p) ? q : p));
  line.append(
    shape(
      "title",
      {},
      ways
        .map(
          (r) =>
            `${r.bridge} ${chainName(r.source)} → ${chainName(r.destination)}: half within ${span(r.median_s)}, 99 % ${late(r)}, ${bps(r)}, up to ${usd(r.capacity_usd)}`,
        )
        .join("\n"),
    ),
  );
  return [
    line,
    say(-3, `${best.bridge} ${span(best.median_s)}`),
    say(10, `${bps(best)}, ≤ ${usd(best.capacity_usd)}`),
  ];
}

function node(report, one, [x, y], middle) {
  const worst = report.venues
    .filter((line) => line.chain === one.name)
    .map((line) => line.status)
    .sort((a, b) => severity(a) - severity(b))[0];
  const state = report.as_of.chains[one.name],
    broken = state && state.status !== "ok";
  const below = y >= middle,
    say = (dy, kind, text) => shape("text", { x, y: y + dy, class: kind, "text-anchor": "middle" }, text);
  const figures = [
    say(
      below ? 23 : -27,
      "halo strong",
      broken ? `${chainName(one.name)}: ${state.status}` : chainName(one.name),
    ),
    say(below ? 37 : -13, "dim halo", `${usd(one.surplus_usd)} · floor ${usd(one.local_floor_usd)}`),
  ];
  const circle = shape("circle", {
    cx: x,
    cy: y,
    r: 9,
    fill: `var(--${TONES[broken ? "UNKNOWN" : worst] ?? "unknown"})`,
  });
  circle.append(shape("title", {}, broken ? state.reason : `worst account there: ${worst}`));
  return [circle, ...figures];
}

function routes(ways, ids) {
  if (!ways.length)
    return quiet(ids.length > 1 ? "No route between these chains." : "One chain: nothing has to cross.");
  const rows = [...ways]
    .sort((a, b) => quickness(a) - quickness(b))
    .map((r) => ({
      cells: [
        `${chainName(r.source)} → ${chainName(r.destination)}`,
        r.bridge,
        span(r.median_s),
        late(r),
        bps(r),
        usd(r.capacity_usd),
      ],
    }));
  return folded(
    `${ways.length} routes: fees, latency, capacity`,
    table("Table of routes", ["way", "by", "half within", "99 % within", "fee", "up to"], rows),
  );
}
