// Liquidation against help: which account dies first, and whether money gets there in time; now and over the reports.
import { quiet, table, unknownText } from "/web/dom.js";
import { axis, isNarrow, plain, tone } from "/web/plot.js";
import { accountId, clock, fullName, help, known, liquidation, owes, TONES } from "/web/words.js";

const TICKS = [
  [1, "1 s"],
  [10, "10 s"],
  [60, "1 min"],
  [600, "10 min"],
  [3600, "1 h"],
  [10800, "3 h"],
  [28800, "8 h"],
  [86400, "1 d"],
  [259200, "3 d"],
  [777600, "9 d"],
  [2592000, "30 d"],
];
const FEW = [1, 60, 3600, 86400, 2592000];
const LINES = ["accent", "latency", "third", "fourth", "fifth", "sixth"];
const MARKED = 12; // more reports than this are a line without points
const NOTHING = "Nothing is owed: nothing can be liquidated.";

function logAxis(more, ticks = TICKS) {
  return axis({
    type: "log",
    tickvals: ticks.map(([s]) => s),
    ticktext: ticks.map(([, name]) => name),
    tickangle: 0,
    ...more,
  });
}

const seconds = (text) => (known(text) ? Math.max(Number(text), 1) : null); // a logarithm has no zero
const ends = (line) => (line.status === "LIQUIDATABLE" ? 1 : seconds(line.ttl_s ?? line.ttl_exceeds_s));

// One pair of bars for each account that owes something, the one that dies first on top.
export function race(venues) {
  const owing = venues.filter(owes).sort((a, b) => (ends(a) ?? 0) - (ends(b) ?? 0));
  if (!owing.length) return { instead: [quiet(NOTHING)] };
  const words = table(
    "Table of liquidation against help",
    ["account", "liquidation, 99 %", "help, 99 %"],
    owing.map((line) => ({
      tone: line.status,
      cells: [fullName(line), ["tone", liquidation(line)], help(line)],
    })),
  );
  return {
    told: owing
      .map((line) => `${fullName(line)}: liquidation ${liquidation(line)}, help ${help(line)}`)
      .join("; "),
    table: words,
    note: "Upper bar: until liquidation at 99 %. Blue: until help has arrived at 99 %, on a bad day. Blue must be the shorter.",
    plot: () => racePlot(owing),
  };
}

function racePlot(owing) {
  const names = owing.map((line) => plain(fullName(line)).replace(" on ", "<br>on ")),
    widths = {
      type: "bar",
      orientation: "h",
      y: names,
      width: 0.3,
      base: 1,
      hoverinfo: "text",
      cliponaxis: false,
    };
  const length = (s) => Math.max((s ?? 1) - 1, 0.15); // from one second on
  const label = { textposition: "outside", textfont: { size: 11 } };
  return {
    height: 44 + 58 * owing.length,
    traces: [
      {
        ...widths,
        ...label,
        offset: -0.34,
        x: owing.map((line) => length(ends(line))),
        text: owing.map((line) => liquidation(line).replace("in ", "")),
        marker: { color: owing.map((line) => tone(TONES[line.status])) },
        hovertext: owing.map((line) => `${plain(fullName(line))}: liquidation ${liquidation(line)}`),
      },
      {
        ...widths,
        ...label,
        offset: 0.04,
        x: owing.map((line) => length(seconds(line.ttf_s))),
        text: owing.map((line) => help(line).replace("in ", "")),
        marker: { color: owing.map((line) => tone(known(line.ttf_s) ? "accent" : "unknown")) },
        hovertext: owing.map((line) => `${plain(fullName(line))}: help ${help(line)}`),
      },
    ],
    layout: {
      barmode: "overlay",
      margin: { l: 8, r: 78, t: 4, b: 8 },
      xaxis: logAxis(
        { range: [0, Math.log10(2592000)] },
        TICKS.filter(([s]) => FEW.includes(s)),
      ),
      yaxis: axis({ autorange: "reversed", type: "category", color: tone("ink"), showgrid: false }),
    },
  };
}

// By venue account its times over the reports, the oldest first; what is not known is a gap.
function lines(reports) {
  const found = new Map();
  for (const report of reports) {
    for (const venue of report.venues) {
      const key = accountId(venue);
      if (!found.has(key)) found.set(key, { name: fullName(venue), time: [], ttl: [], ttf: [], words: [] });
      const line = found.get(key);
      line.time.push(report.time.slice(0, 23));
      line.ttl.push(ends(venue));
      line.ttf.push(seconds(venue.ttf_s));
      line.words.push([liquidation(venue), help(venue)]);
    }
  }
  return [...found.values()].filter((line) => line.ttl.some(known));
}

export function timeline(history) {
  const reports = [...history.reports].reverse(),
    drawn = lines(reports);
  if (!drawn.length)
    return { instead: [reports.some((report) => !report.complete) ? unknownText() : quiet(NOTHING)] };
  const told = drawn.map(
    (line) => `${line.name}: liquidation ${line.words.at(-1)[0]}, help ${line.words.at(-1)[1]}`,
  );
  const rows = drawn
    .flatMap((line) => line.time.map((time, i) => ({ cells: [clock(time), line.name, ...line.words[i]] })))
    .sort((a, b) => b.cells[0].localeCompare(a.cells[0]));
  return {
    told: `Over ${reports.length} reports. Now ${told.join("; ")}`,
    table: table(
      "Table of liquidation against help over time",
      ["UTC", "account", "liquidation, 99 %", "help, 99 %"],
      rows,
    ),
    note: "Solid: until liquidation. Dashed: until help has arrived. Where dashed is above its solid line, help comes too late.",
    plot: () => timelinePlot(drawn),
  };
}

function timelinePlot(drawn) {
  const all = drawn.flatMap((line) => [...line.ttl, ...line.ttf]).filter(known),
    least = Math.log10(Math.min(...all)),
    most = Math.log10(Math.max(...all));
  const traces = drawn.flatMap((line, i) => {
    const color = tone(LINES[i % LINES.length]),
      shared = {
        type: "scatter",
        mode: line.time.length > MARKED ? "lines" : "lines+markers",
        x: line.time,
        hoverinfo: "text",
        marker: { size: 4, color },
        legendgroup: `${i}`,
      };
    const hover = (kind, k) =>
      line.words.map((words, j) => `${clock(line.time[j])} UTC, ${plain(line.name)}<br>${kind} ${words[k]}`);
    return [
      {
        ...shared,
        y: line.ttl,
        name: plain(line.name),
        showlegend: true,
        line: { color, width: 2.5 },
        hovertext: hover("liquidation", 0),
      },
      {
        ...shared,
        y: line.ttf,
        name: "help",
        showlegend: false,
        line: { color, width: 1.8, dash: "dash" },
        hovertext: hover("help", 1),
      },
    ];
  });
  return {
    height: 270 + (isNarrow() ? 22 * drawn.length : 0),
    traces,
    layout: {
      showlegend: true,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      dragmode: isNarrow() ? false : "zoom",
      hovermode: "closest",
      xaxis: axis({ type: "date", fixedrange: isNarrow(), nticks: isNarrow() ? 4 : 8, tickangle: 0 }),
      yaxis: logAxis({ range: [Math.floor(least * 2) / 2 - 0.2, Math.ceil(most * 2) / 2 + 0.2] }),
    },
  };
}
