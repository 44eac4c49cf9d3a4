// One page: the portfolios by urgency, the chosen one with its figures, what-if. Asks the API; keeps no figure itself.
import { buffers, chains, el, heat, interval, race, routes, usd } from "/web/charts.js";
import { timeline } from "/web/timeline.js";

const EVERY_MS = 2000, SELDOM_MS = 15000, KNOWN = ["LIQUIDATABLE", "DELEVERAGE", "UNKNOWN", "BRIDGE_NOW", "WATCH", "SAFE"];
const NAMES = { "eip155:1": "ethereum", "eip155:10": "optimism", "eip155:42161": "arbitrum", "eip155:8453": "base" };
const state = { chosen: decodeURIComponent(location.hash.slice(1)) || null, report: null, key: sessionStorage.getItem("key"), bridges: [], drawn: "" };
const at = (id) => document.getElementById(id);
const named = (chain) => NAMES[chain] ?? chain;

async function api(path, body) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(state.key && { Authorization: `Bearer ${state.key}` }) };
  const answer = await fetch(path, { headers, cache: "no-cache", ...(body && { method: "POST", body: JSON.stringify(body) }) });
  if (answer.status === 401) at("signin").hidden = false;
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail ?? `${answer.status}`);
  at("signin").hidden = true;
  return content;
}

function listed(rows) {
  const rank = (row) => KNOWN.indexOf(row.status ?? "UNKNOWN");
  const sorted = [...rows].sort((a, b) => rank(a) - rank(b) || Number(a.mm_excess_usd ?? 0) - Number(b.mm_excess_usd ?? 0));
  const items = sorted.map((row) => {
    const status = row.status ?? "UNKNOWN";
    const button = el("button", { class: status, type: "button", "data-name": row.portfolio, onclick: () => choose(row.portfolio) },
      el("strong", {}, row.portfolio), el("span", { class: "badge" }, status.replace("_", " ")), el("small", {}, row.status_reason || "no report yet"));
    button.setAttribute("aria-current", String(row.portfolio === state.chosen));
    return el("li", {}, button);
  });
  const held = document.activeElement?.dataset?.name;
  at("portfolios").replaceChildren(...items);
  if (held) document.querySelector(`[data-name="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  const count = (status) => rows.filter((row) => (row.status ?? "UNKNOWN") === status).length;
  const told = KNOWN.filter(count).map((status) => `${count(status)} ${status.replace("_", " ").toLowerCase()}`).join(", ");
  if (at("summary").textContent !== told) at("summary").textContent = told || "No portfolios.";
  if (!state.chosen && sorted.length) choose(sorted[0].portfolio);
}

function choose(name) {
  state.chosen = name;
  state.drawn = "";
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  document.querySelectorAll("#portfolios button").forEach((b) => b.setAttribute("aria-current", String(b.dataset.name === name)));
  show().catch(failed);
}

async function show() {
  const name = state.chosen;
  if (!name) return;
  const path = `/v1/accounts/${encodeURIComponent(name)}`;
  const report = await api(`${path}/margin`);
  if (report.id === state.drawn || name !== state.chosen) return;
  const [scenarios, prices, alerts, advice, history] = await Promise.all([api(`${path}/scenarios`), api("/v1/prices"), api(`/v1/alerts?portfolio=${encodeURIComponent(name)}&limit=8`), api(`${path}/advice`), api(`${path}/margin/history?limit=48`)]);
  if (name !== state.chosen) return;
  state.report = report;
  const answer = at("answer"), slid = at("spot") ? [at("spot").value, at("vol").value, at("send").value] : null;
  const focused = document.activeElement?.id;
  at("main").replaceChildren(...cards(report, scenarios, prices.prices, alerts.alerts, advice, history));
  if (slid && state.drawn) restore(slid, focused, answer);
  state.drawn = report.id;
}

function restore(values, focused, answer) {
  at("answer").replaceWith(answer);  // it stands until the new one is there
  ["spot", "vol", "send"].forEach((id, i) => { at(id).value = values[i]; });
  if (["spot", "vol", "send"].includes(focused)) at(focused).focus({ preventScroll: true });
  if (values.some((v) => Number(v) !== 0)) ask();
}

function cards(report, scenarios, prices, alerts, advice, history) {
  return [
    head(report), card("Buffer: nothing netted, as latency allows, all netted", buffers(report)),
    card("Liquidation against help", race(report.venues)), wide("Liquidation against help over time", timeline(history)), adviceCard(report.portfolio.name, advice), whatIf(report),
    card("Chains and routes", chains(report, state.bridges, named), routes(report, state.bridges, named)), venues(report),
    card("Scenarios", scenarios.heat_map ? heat(scenarios.heat_map) : el("p", { class: "quiet" }, "no scenario table: the service has no model or a figure is missing")),
    greeks(report), priceCard(report, prices), alertCard(alerts),
  ];
}

function card(title, ...content) {
  return el("section", { "aria-label": title }, el("h3", {}, title), ...content);
}

function wide(title, ...content) {
  const section = card(title, ...content);
  section.className = "wide";
  return section;
}

function figure(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", { class: value === "unknown" ? "UNKNOWN tone" : "" }, value));
}

function head(report) {
  const gaps = report.data_quality.degraded.map((gap) => el("li", {}, `${gap.what}: ${gap.reason}`));
  return el("section", { class: `wide head changed ${report.status}`, "aria-label": "Status" },
    el("h2", {}, report.portfolio.name, " ", el("span", { class: "badge" }, report.status.replace("_", " "))),
    el("p", { class: "sentence" }, report.status_reason),
    el("dl", { class: "figures" }, figure("net value", usd(report.net_value_usd)), figure("requirement", usd(report.mm_requirement_usd)),
      figure("excess", usd(report.mm_excess_usd)), figure("margin ratio", report.margin_ratio === null ? (report.mm_requirement_usd === null ? "unknown" : "no requirement") : Number(report.margin_ratio).toFixed(2)),
      figure("latency add-on", usd(report.bridge_latency_addon_usd)), figure("worst scenario", report.worst_scenario ? `${usd(report.worst_scenario.loss_usd)} (${report.worst_scenario.label})` : "unknown"),
      figure("data", report.data_quality.complete ? `complete, ${report.data_quality.staleness_s} s old` : "incomplete")),
    gaps.length ? el("details", { class: report.data_quality.complete ? "" : "UNKNOWN" }, el("summary", { class: "tone" }, `${gaps.length} ${gaps.length === 1 ? "remark" : "remarks"} on the data`), el("ul", { class: "plain" }, ...gaps)) : null);
}

function venues(report) {
  const rows = report.venues.map((v) => el("tr", { class: v.status },
    el("td", {}, `${v.venue} on ${named(v.chain)}`), el("td", { class: "tone" }, v.status.replace("_", " ")), el("td", {}, usd(v.equity_usd)),
    el("td", {}, usd(v.surplus_usd)), el("td", {}, v.health === null ? "–" : Number(v.health).toFixed(3)),
    el("td", {}, Object.entries(v.distance_to_liquidation).map(([f, d]) => `${f} ${d === null ? "never" : `${Number(d).toFixed(1)} %`}`).join(", ") || "–"),
    el("td", {}, usd(v.movable_usd))));
  const names = ["account", "status", "equity", "surplus", "health", "distance to liquidation", "movable"];
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...names.map((n) => el("th", { scope: "col" }, n)))), el("tbody", {}, ...rows));
  return wide("Venue accounts", el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table of venue accounts" }, table));
}

function greeks(report) {
  if (report.greeks === null) return card("Greeks", el("p", { class: "UNKNOWN tone" }, "unknown"));
  const g = report.greeks, factors = [...new Set(Object.values(g).flatMap((by) => Object.keys(by)))];
  const rows = factors.map((f) => el("tr", {}, el("td", {}, f), ...["delta_usd", "gamma_usd", "vega_usd", "theta_usd_per_day"].map((k) => el("td", {}, usd(g[k][f] ?? "0")))));
  return card("Greeks (delta for +100 %, gamma per 1 %, vega per point, theta per day)",
    el("table", {}, el("thead", {}, el("tr", {}, ...["factor", "delta", "gamma", "vega", "theta"].map((n) => el("th", { scope: "col" }, n)))), el("tbody", {}, ...rows)));
}

function priceCard(report, prices) {
  const used = new Set(report.positions.map((p) => p.risk_factor));
  const shown = prices.filter((p) => used.has(p.price_key) || p.status !== "OK");
  const rows = shown.map((p) => el("tr", {}, el("td", {}, p.price_key), el("td", { class: p.mid_usd === null ? "UNKNOWN tone" : "" }, p.mid_usd === null ? "no price" : `$${Number(p.mid_usd).toLocaleString("en", { maximumFractionDigits: 4 })}`),
    el("td", {}, interval(p), ...p.dissenters.map((d) => el("small", { class: "quiet out" }, `left out: ${d.source}${d.price_usd === null ? "" : ` $${Number(d.price_usd).toLocaleString("en")}`}, ${d.reason.replaceAll("_", " ")}`))), el("td", { class: p.status === "OK" ? "" : "alarm" }, p.status, p.status === "OK" ? "" : el("div", { class: "quiet" }, p.reason))));
  return card("Prices (interval within 0.5 % around the middle, crosses were left out)", el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table of prices" },
    el("table", {}, el("thead", {}, el("tr", {}, ...["asset", "price", "interval", "state"].map((n) => el("th", { scope: "col" }, n)))), el("tbody", {}, ...rows))));
}

function alertCard(alerts) {
  if (!alerts.length) return card("Alerts", el("p", { class: "quiet" }, "none"));
  const span = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`);
  const stands = ({ life }) => (!life ? "" : life.state === "resolved" ? `over after ${span(life.duration_s)}` : life.state === "acknowledged" ? `acknowledged by ${life.acknowledged_by}` : "open");
  const tone = (a) => (a.watch === "status" && a.type !== "data.missing" ? a.status : a.type.startsWith("data.") ? "UNKNOWN" : a.severity === "critical" ? "DELEVERAGE" : "WATCH");
  return card("Alerts", el("ul", { class: "plain alerts" }, ...alerts.map((a) => el("li", { class: tone(a), "data-state": a.life?.state ?? "" }, `${a.created_at.slice(11, 19)} `,
    el("span", { class: "tone" }, a.watch === "status" && a.type !== "data.missing" ? a.status.replace("_", " ") : a.watch), ` ${a.reason}`, el("small", { class: "quiet" }, ` ${stands(a)}`)))));
}

let advising = null;
function adviceCard(name, found) {
  const section = card("Advice (tried on forks, nothing is signed)"), advice = found.advice;
  section.id = "advice";
  const overtaken = advice && found.report_id !== found.newest_report_id ? ", from an earlier report" : "";
  const words = advice ? `${advice.reason} (${found.age_s} s old${overtaken})` : found.reason;
  section.append(el("p", { class: found.state === "failed" ? "alarm" : "quiet", role: "status" }, found.state === "failed" ? `failed: ${found.reason}` : words));
  const pending = found.state === "pending";
  const ask = el("button", { id: "ask-advice", type: "button", onclick: () => askAdvice(name) }, pending ? "Being worked out…" : "Work out advice now");
  ask.disabled = pending;
  if (advice?.plans.length) section.append(el("ol", { class: "plain" }, ...advice.plans.map(planLine)));
  section.append(ask);
  clearTimeout(advising);
  if (pending) advising = setTimeout(() => renewAdvice(name), EVERY_MS);
  return section;
}

function planLine(plan) {
  const late = plan.eta.p99_stress_s === null ? "may never arrive" : `${Math.round(Number(plan.eta.p99_stress_s))} s on a bad day`;
  return el("li", { class: plan.after.status }, el("strong", {}, plan.about), ` ${plan.before.status.replace("_", " ")} → `, el("span", { class: "tone" }, plan.after.status.replace("_", " ")),
    ` for ${usd(plan.cost_usd)} in fees, ${late}. ${plan.residual}.`);
}

async function askAdvice(name) {
  try { drawAdvice(name, await api(`/v1/accounts/${encodeURIComponent(name)}/advice`, {})); } catch (error) { failed(error); }
}

async function renewAdvice(name) {
  try { if (name === state.chosen) drawAdvice(name, await api(`/v1/accounts/${encodeURIComponent(name)}/advice`)); } catch (error) { failed(error); }
}

function drawAdvice(name, found) {
  if (name !== state.chosen || !at("advice")) return;
  const focused = document.activeElement?.id === "ask-advice";
  at("advice").replaceWith(adviceCard(name, found));
  if (focused) at("ask-advice").focus({ preventScroll: true });
}

function whatIf(report) {
  const idle = report.venues.filter((v) => Number(v.movable_usd) > 0).length > 0;
  const slider = (id, label, least, most, step, unit) => [el("label", { for: id }, label),
    el("input", { id, type: "range", min: least, max: most, step, value: 0, oninput: ask }), el("output", { id: `${id}-out`, for: id }, `0 ${unit}`)];
  return card("What if", el("div", { class: "sliders" }, ...slider("spot", "All prices", -60, 60, 1, "%"), ...slider("vol", "Volatility", -50, 150, 5, "%"),
    ...slider("send", idle ? "Stablecoin to binding account" : "Nothing movable", 0, 100000, 500, "$")), el("p", { id: "answer", role: "status" }, "Move a slider."));
}

let asked = 0, waiting = null;
function ask() {
  for (const [id, unit] of [["spot", "%"], ["vol", "%"], ["send", "$"]]) at(`${id}-out`).textContent = `${Number(at(id).value)} ${unit}`;
  clearTimeout(waiting);
  waiting = setTimeout(simulate, 40);
}

function sent(report, amount) {
  const id = (v) => `${v.account}/${v.venue}${v.sub_account ? `/${v.sub_account}` : ""}`;
  const stable = (p) => /^(USDC|USDT|DAI|sUSD)/.test(p.label) && p.venue === "wallet" && Number(p.size) >= amount;
  const from = report.positions.find(stable), to = report.venues.find((v) => id(v) === report.binding_account);
  if (!from || !to) return [];
  return [{ source: `${from.account}/wallet`, destination: id(to), asset: from.label.split(" ")[0], amount: String(amount) }];
}

async function simulate() {
  const turn = ++asked, report = state.report, amount = Number(at("send").value);
  const transfers = amount ? sent(report, amount) : [];
  if (amount && !transfers.length) { at("answer").textContent = `No address holds ${usd(amount)} of a stablecoin to send.`; return; }
  const changes = { spot_pct: at("spot").value, vol_pct: at("vol").value, transfers };
  try {
    const started = performance.now();
    const { results: [found] } = await api("/v1/margin/simulate", { simulations: [{ portfolio: report.portfolio.name, changes }] });
    if (turn !== asked || !at("answer")) return;
    const after = found.after, tail = found.breaches.length ? ` Liquidatable: ${found.breaches.join(", ")}.` : "";
    at("answer").className = after.status;
    at("answer").dataset.ms = Math.round(performance.now() - started);
    at("answer").replaceChildren(el("span", { class: "tone" }, after.status.replace("_", " ")), ` excess ${usd(found.before.mm_excess_usd)} → ${usd(after.mm_excess_usd)}, latency add-on ${usd(after.bridge_latency_addon_usd)}. ${after.status_reason}.${tail}`);
  } catch (error) {
    if (turn === asked && at("answer")) { at("answer").className = "alarm"; at("answer").textContent = error.message; }
  }
}

function failed(error) {
  at("fresh").textContent = `No answer: ${error.message}`;
  at("fresh").className = "alarm";
}

let live = null, due = null;
function listen() {
  // A stream cannot send a key: with one, the page asks again and again instead.
  if (live || state.key) return;
  live = new EventSource("/v1/stream?events=margin.updated");
  live.addEventListener("margin.updated", () => { clearTimeout(due); due = setTimeout(round, 100); });
}

async function round() {
  clearTimeout(due);
  try {
    const accounts = await api("/v1/accounts");
    if (!state.bridges.length) state.bridges = (await api("/v1/bridges")).bridges;
    listed(accounts.accounts);
    await show();
    at("fresh").className = "";
    listen();
    at("fresh").textContent = `figures of ${accounts.as_of.time.slice(11, 19)} UTC`;
  } catch (error) {
    failed(error);
  }
  due = setTimeout(round, live?.readyState === EventSource.OPEN ? SELDOM_MS : EVERY_MS);
}

at("signin").addEventListener("submit", (event) => {
  event.preventDefault();
  state.key = at("key").value;
  sessionStorage.setItem("key", state.key);
});
round();
