// Charts of one portfolio's margin: buffers, scenarios, sensitivities. Every figure is the service's own.
import { quiet, table, unknownText } from "/web/dom.js";
import { axis, between, isNarrow, plain, tone } from "/web/plot.js";
import { known, usd } from "/web/words.js";

const none = (...nodes) => ({ instead: nodes });

// What the portfolio must hold beside its venues' requirements: nothing netted, as latency allows, all netted.
// Unified is netted plus the latency add-on, so its bar is those two.
export function buffers(report) {
  const {
    isolated_buffer_usd: isolated,
    netted_buffer_usd: netted,
    unified_buffer_usd: unified,
    bridge_latency_addon_usd: late,
  } = report;
  if (![isolated, netted, unified, late].every(known)) return none(unknownText());
  const whole = report.comparison ?? {};
  const rows = [
    ["isolated", isolated, whole.isolated_requirement_usd],
    ["unified", unified, whole.unified_requirement_usd],
    ["netted", netted, whole.cross_requirement_usd],
  ];
  const told = `Buffers: ${rows.map(([name, total]) => `${name} ${usd(total)}`).join(", ")}; ${usd(late)} of the unified one is bridge latency`;
  const cause =
    Number(late) === 0 ? "Nothing for latency." : `Orange: ${usd(late)} because money takes time to cross.`;
  return {
    told,
    note: `${cause} Isolated: no account helps another; netted: all were one.`,
    table: table(
      "Table of buffers",
      ["", "buffer", "requirement with it"],
      rows.map(([name, total, needed]) => ({ cells: [name, usd(total), usd(needed)] })),
    ),
    plot: () =>
      buffersPlot(
        rows.map(([name, total]) => [name, Number(total)]),
        [isolated, netted, netted],
        [0, late, 0],
        late,
      ),
  };
}

function buffersPlot(rows, base, more, late) {
  const names = rows.map(([name]) => name),
    totals = rows.map(([, total]) => total);
  const bar = { type: "bar", orientation: "h", y: names, width: 0.62, hoverinfo: "text", cliponaxis: false };
  return {
    height: 158,
    traces: [
      {
        ...bar,
        x: base.map(Number),
        marker: { color: tone("accent") },
        hovertext: rows.map(([name, total]) => `${name} ${usd(total)}`),
      },
      {
        ...bar,
        x: more.map(Number),
        marker: { color: tone("latency") },
        hovertext: names.map(() => `latency add-on ${usd(late)}`),
      },
      {
        type: "scatter",
        mode: "text",
        x: totals,
        y: names,
        text: totals.map((total) => ` <b>${usd(total)}</b>`),
        textposition: "middle right",
        hoverinfo: "skip",
        cliponaxis: false,
      },
    ],
    layout: {
      barmode: "stack",
      margin: { l: 8, r: 64, t: 4, b: 8 },
      xaxis: axis({ tickformat: "$~s", nticks: 5, rangemode: "tozero" }),
      yaxis: axis({ autorange: "reversed", color: tone("ink") }),
    },
  };
}

const FAINT = 0.01; // of net value: a table whose worst is less has no deep colours, nothing in it is to be feared
const DEEP = 0.6; // the figures in the strongest cell are still read
const percent = (text) => `${Number(text) > 0 ? "+" : ""}${Number(text)} %`;

// Change of value over joint moves of prices and of volatility; the framed cell loses most.
export function heat(map, report) {
  if (!known(map)) return none(quiet("No scenario table: the service has no model, or a figure is missing."));
  const [row, column] = map.worst,
    spots = map.spot_moves_pct.map(percent),
    vols = map.vol_moves_pct.map(percent);
  const worst = usd(map.change_usd[row][column]),
    where = `prices ${spots[column]}, volatility ${vols[row]}`;
  const cells = (line, r) =>
    line.map((value, c) => (r === row && c === column ? ["worst", usd(value)] : usd(value)));
  return {
    told: `Scenarios of prices against volatility. Worst: ${worst} at ${where}`,
    note: `Framed: the worst cell, ${worst} at ${where}.`,
    table: table(
      "Table of scenarios",
      ["volatility \\ prices", ...spots],
      map.change_usd.map((line, r) => ({ cells: [vols[r], ...cells(line, r)] })),
    ),
    plot: () => heatPlot(map, spots, vols, FAINT * Math.abs(Number(report.net_value_usd))),
  };
}

function heatPlot(map, spots, vols, faint) {
  const z = map.change_usd.map((line) => line.map(Number)),
    most = Math.max(...z.flat().map(Math.abs), faint, 1e-9);
  const [row, column] = map.worst,
    last = vols.length - 1;
  const hover = z.map((line, r) =>
    line.map(
      (_, c) =>
        `prices ${spots[c]}, volatility ${vols[r]}<br><b>${usd(map.change_usd[r][c])}</b><br>surplus by the venues' rules ${usd(map.surplus_usd[r][c])}`,
    ),
  );
  const text = map.change_usd.map((line) => line.map((value) => usd(value)));
  return {
    height: isNarrow() ? 260 : 300,
    traces: [
      {
        type: "heatmap",
        z,
        x: spots,
        y: vols,
        text,
        hovertext: hover,
        hoverinfo: "text",
        zmin: -most,
        zmax: most,
        xgap: 1,
        ygap: 1,
        showscale: false,
        colorscale: [
          [0, between("card", "dead", DEEP)],
          [0.5, tone("card")],
          [1, between("card", "safe", DEEP)],
        ],
        ...(isNarrow() ? {} : { texttemplate: "%{text}", textfont: { size: 10.5, color: tone("ink") } }),
      },
    ],
    layout: {
      xaxis: axis({
        type: "category",
        title: { text: "all crypto prices", standoff: 6 },
        tickfont: { size: 10 },
        showgrid: false,
      }),
      yaxis: axis({
        type: "category",
        title: { text: "volatility", standoff: 6 },
        tickfont: { size: 10 },
        showgrid: false,
        range: [-0.5, last + 0.5],
      }),
      shapes: [
        {
          type: "rect",
          x0: column - 0.5,
          x1: column + 0.5,
          y0: row - 0.5,
          y1: row + 0.5,
          line: { color: tone("ink"), width: 2.5 },
        },
      ],
    },
  };
}

const GREEKS = [
  ["delta_usd", "delta", "for +100 %"],
  ["gamma_usd", "gamma", "per 1 %"],
  ["vega_usd", "vega", "per point"],
  ["theta_usd_per_day", "theta", "per day"],
];

export function greeks(found) {
  if (!known(found)) return none(unknownText());
  const factors = [...new Set(GREEKS.flatMap(([key]) => Object.keys(found[key])))];
  if (!factors.length) return none(quiet("No exposure to any price."));
  const used = GREEKS.filter(([key]) => Object.keys(found[key]).length);
  const value = (key, factor) => (factor in found[key] ? usd(found[key][factor]) : "–");
  const told = used
    .map(
      ([key, name]) =>
        `${name} ${Object.keys(found[key])
          .map((factor) => `${factor} ${value(key, factor)}`)
          .join(", ")}`,
    )
    .join("; ");
  return {
    told: `Greeks in US dollars: ${told}`,
    note: used.length < GREEKS.length ? "No options: gamma, vega and theta are nil." : null,
    table: table(
      "Table of Greeks",
      ["factor", ...GREEKS.map(([, name, unit]) => `${name} ${unit}`)],
      factors.map((factor) => ({ cells: [factor, ...GREEKS.map(([key]) => value(key, factor))] })),
    ),
    plot: () => greeksPlot(found, factors, used),
  };
}

// One column of bars for each Greek, every one on its own scale: their sizes have nothing in common.
function greeksPlot(found, factors, used) {
  const columns = isNarrow() ? Math.min(used.length, 2) : used.length,
    rows = Math.ceil(used.length / columns),
    high = 34 * factors.length;
  const axes = {},
    traces = [],
    notes = [],
    whole = rows * (high + 44),
    along = (place, many) => [place / many + 0.01, (place + 1) / many - 0.02];
  used.forEach(([key, name, unit], i) => {
    const values = factors.map((factor) => Number(found[key][factor] ?? 0)),
      most = Math.max(...values.map(Math.abs), 1e-9);
    const id = i ? `${i + 1}` : "",
      [column, row] = [i % columns, Math.floor(i / columns)],
      top = 1 - (row * (high + 44)) / whole - (row ? 44 / whole : 0);
    axes[`xaxis${id}`] = axis({
      domain: along(column, columns),
      anchor: `y${id}`,
      showticklabels: false,
      showgrid: false,
      zeroline: true,
      zerolinecolor: tone("quiet"),
      range: [-most * 1.8, most * 1.8],
    });
    axes[`yaxis${id}`] = axis({
      domain: [Math.max(top - high / whole, 0), top],
      anchor: `x${id}`,
      autorange: "reversed",
      type: "category",
      showgrid: false,
      color: tone("ink"),
      showticklabels: column === 0,
    });
    notes.push({
      text: `<b>${name}</b> ${unit}`,
      xref: `x${id} domain`,
      yref: `y${id} domain`,
      x: 0.5,
      y: 1,
      yanchor: "bottom",
      yshift: 4,
      showarrow: false,
      font: { size: 12 },
    });
    traces.push({
      type: "bar",
      orientation: "h",
      x: values,
      y: factors.map(plain),
      xaxis: `x${id}`,
      yaxis: `y${id}`,
      width: 0.55,
      cliponaxis: false,
      hoverinfo: "text",
      textposition: "outside",
      text: factors.map((factor) => (factor in found[key] ? usd(found[key][factor]) : "")),
      textfont: { size: 11 },
      hovertext: factors.map((factor) => `${plain(factor)}: ${name} ${usd(found[key][factor])} ${unit}`),
      marker: { color: values.map((v) => tone(v < 0 ? "dead" : "safe")) },
    });
  });
  return {
    height: whole + 12,
    traces,
    layout: { ...axes, margin: { l: 8, r: 8, t: 36, b: 4 }, annotations: notes },
  };
}
