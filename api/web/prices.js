// The reconciled interval of every price that a portfolio rests on, and the sources that were left out.
import { el, folded, quiet, table } from "/web/dom.js";
import { axis, plain, tone } from "/web/plot.js";
import { UNKNOWN, known, price } from "/web/words.js";

const none = (...nodes) => ({ instead: nodes });
const EDGE = 3; // percent of the middle: what lies farther out is drawn at the edge, its figure is in the words

export function prices(report, all) {
  const used = new Set(report.positions.map((position) => position.risk_factor));
  const shown = all.filter((one) => used.has(one.price_key) || one.status !== "OK");
  if (!shown.length) return none(quiet("No prices are used."));
  const drawn = shown.filter((one) => known(one.mid_usd) && known(one.low_usd) && known(one.high_usd));
  const told = shown
    .map(
      (one) =>
        `${one.price_key} ${known(one.mid_usd) ? `${price(one.low_usd)} to ${price(one.high_usd)}` : UNKNOWN}, ${one.dissenters.length} left out`,
    )
    .join("; ");
  const words = table("Table of prices", ["asset", "price", "interval", "state"], shown.map(priceRow));
  if (!drawn.length) return none(words);
  return {
    told: `Price intervals: ${told}`,
    table: words,
    open: true,
    note: "In percent of the middle. Crosses: sources that were left out.",
    plot: () => pricesPlot(drawn),
  };
}

function priceRow(one) {
  const missing = !known(one.mid_usd),
    fine = one.status === "OK";
  return {
    tone: missing ? "UNKNOWN" : "",
    cells: [
      one.price_key,
      [missing ? "tone" : "", price(one.mid_usd)],
      ["wrap", missing ? UNKNOWN : `${price(one.low_usd)} – ${price(one.high_usd)}`],
      [fine ? "" : "alarm", one.status],
    ],
    under: [...(fine ? [] : [small(one.reason)]), ...leftOut(one.dissenters)],
  };
}

// Who disagreed, by name; many of them are folded behind their groups.
function leftOut(dissenters) {
  const told = (d) =>
    small(
      `left out: ${d.source}${known(d.price_usd) ? ` ${price(d.price_usd)}` : ""}, ${d.reason.replaceAll("_", " ")}${d.detail ? ` (${d.detail})` : ""}`,
    );
  if (dissenters.length < 2) return dissenters.map(told);
  return [
    folded(
      `left out: ${dissenters.length} of ${[...new Set(dissenters.map((d) => d.group))].join(", ")}`,
      el("div", {}, ...dissenters.map(told)),
    ),
  ];
}

const small = (text) => el("small", { class: "quiet out" }, text);

function pricesPlot(shown) {
  const off = (value, one) => (100 * (Number(value) - Number(one.mid_usd))) / Number(one.mid_usd);
  const out = shown.flatMap((one) =>
    one.dissenters.filter((d) => known(d.price_usd)).map((d) => ({ one, d, off: off(d.price_usd, one) })),
  );
  const names = shown.map((one) => plain(one.price_key));
  const widest = Math.max(
    0.5,
    ...shown.flatMap((one) => [one.low_usd, one.high_usd].map((p) => Math.abs(off(p, one)))),
    ...out.map((o) => Math.min(Math.abs(o.off), EDGE)),
  );
  return {
    height: 56 + 30 * shown.length,
    traces: [
      {
        type: "bar",
        orientation: "h",
        y: names,
        base: shown.map((one) => off(one.low_usd, one)),
        x: shown.map((one) => off(one.high_usd, one) - off(one.low_usd, one)),
        width: 0.42,
        marker: { color: tone("accent") },
        hoverinfo: "text",
        hovertext: shown.map((one) => `${plain(one.price_key)} ${price(one.low_usd)} – ${price(one.high_usd)}`),
      },
      {
        type: "scatter",
        mode: "markers",
        y: names,
        x: shown.map(() => 0),
        marker: { symbol: "line-ns", size: 16, line: { width: 2, color: tone("ink") } },
        hoverinfo: "text",
        hovertext: shown.map((one) => `${plain(one.price_key)} ${price(one.mid_usd)}`),
      },
      {
        type: "scatter",
        mode: "markers",
        y: out.map((o) => plain(o.one.price_key)),
        x: out.map((o) => Math.max(-widest, Math.min(widest, o.off))),
        marker: { symbol: "x", size: 9, color: tone("dead") },
        hoverinfo: "text",
        hovertext: out.map(
          (o) => `${plain(o.d.source)} ${price(o.d.price_usd)}, left out: ${plain(o.d.reason)}`,
        ),
      },
    ],
    layout: {
      xaxis: axis({
        range: [-widest * 1.1, widest * 1.1],
        ticksuffix: " %",
        nticks: 7,
        zeroline: true,
        zerolinecolor: tone("line"),
      }),
      yaxis: axis({ autorange: "reversed", type: "category", color: tone("ink") }),
    },
  };
}
