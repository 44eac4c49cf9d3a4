// One page: the portfolios by urgency, the chosen one with its figures, what-if. Asks the service; computes no figure.
import * as cards from "/web/cards.js";
import { at, settle } from "/web/dom.js";
import { race, timeline } from "/web/help.js";
import { follow } from "/web/live.js";
import { chains } from "/web/map.js";
import { buffers, greeks, heat } from "/web/pictures.js";
import { draw } from "/web/plot.js";
import { prices } from "/web/prices.js";
import { begin, renew, sliding, watchSliders } from "/web/whatif.js";
import { STATUSES, clock, severity, spoken } from "/web/words.js";

const EVERY_MS = 2000,
  SELDOM_MS = 15000,
  SLIDING_MS = 1000,
  SOON_MS = 100;
const state = {
  chosen: decodeURIComponent(location.hash.slice(1)) || null,
  drawn: "",
  key: sessionStorage.getItem("key"),
  live: false,
  stop: null,
  answered: null,
};
const pathOf = (name) => `/v1/accounts/${encodeURIComponent(name)}`;

async function asked(path, body) {
  const headers = {
    ...(body && { "Content-Type": "application/json" }),
    ...(state.key && { Authorization: `Bearer ${state.key}` }),
  };
  const answer = await fetch(path, {
    headers,
    cache: "no-cache",
    ...(body && { method: "POST", body: JSON.stringify(body) }),
  });
  if (answer.status === 401) at("signin").hidden = false;
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail ?? `${answer.status}`);
  at("signin").hidden = true;
  return { content, next: /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get("Link") ?? "")?.[1] };
}
const api = async (path, body) => (await asked(path, body)).content;

// Every page of the portfolios: the urgent ones may be on the last.
async function portfolios() {
  const rows = [];
  let time = null;
  for (let path = "/v1/accounts?limit=1000"; path;) {
    const { content, next } = await asked(path);
    rows.push(...content.accounts);
    time ??= content.as_of.time;
    path = next;
  }
  const excess = (row) => Number(row.mm_excess_usd ?? -Infinity); // an unknown one comes first among its equals
  return { time, rows: rows.sort((a, b) => severity(a.status) - severity(b.status) || excess(a) - excess(b)) };
}

// What the service says is wrong with itself, such as scans that stand still; null where it is ready.
async function unready() {
  const answer = await fetch("/readyz", { cache: "no-store" });
  if (answer.ok) return null;
  const { wrong, detail } = await answer.json();
  return wrong?.join("; ") ?? detail ?? `${answer.status}`;
}

function list(rows) {
  const count = (status) => rows.filter((row) => (row.status ?? "UNKNOWN") === status).length;
  const told =
    STATUSES.filter(count)
      .map((status) => `${count(status)} ${spoken(status).toLowerCase()}`)
      .join(", ") || "No portfolios.";
  if (at("summary").textContent !== told) at("summary").textContent = told;
  settle(at("portfolios"), ...cards.listed(rows, state.chosen, choose));
}

function select(name) {
  state.chosen = name;
  state.drawn = "";
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  document
    .querySelectorAll("#portfolios button")
    .forEach((one) => one.setAttribute("aria-current", String(one.dataset.name === name)));
}

function choose(name) {
  select(name);
  show(name).catch(unanswered);
}

async function show(name) {
  const path = pathOf(name),
    [report, alerts, advice] = await Promise.all([
      api(`${path}/margin`),
      api(`/v1/alerts?portfolio=${encodeURIComponent(name)}&limit=30`),
      api(`${path}/advice`),
    ]);
  if (name !== state.chosen) return;
  const fresh = at("main").dataset.portfolio !== name;
  at("main").dataset.portfolio = name;
  at("main").hidden = false;
  at("choose").hidden = true;
  at("head").className = `wide head ${report.status}`;
  settle(at("head"), ...cards.head(report, advice));
  settle(at("alerts"), ...cards.alerts(alerts.alerts));
  drawAdvice(advice);
  if (report.id === state.drawn) return;
  if (!fresh && sliding()) {
    soon(SLIDING_MS);
    return;
  }
  draw("buffers", buffers(report));
  draw("race", race(report.venues));
  draw("greeks", greeks(report.greeks));
  settle(at("venues"), cards.venues(report));
  if (fresh) begin(report);
  else renew(report);
  await showMore(name, path, report);
}

async function showMore(name, path, report) {
  const [past, totals, scenarios, quoted, routes] = await Promise.all([
    api(`${path}/margin/history?limit=48`),
    api(`${path}/portfolio`),
    api(`${path}/scenarios`),
    api("/v1/prices"),
    api("/v1/bridges"),
  ]);
  if (name !== state.chosen) return;
  draw("timeline", timeline(past));
  settle(at("chains"), ...chains(report, totals.chains, routes.bridges));
  draw("heat", heat(scenarios.heat_map, report));
  draw("prices", prices(report, quoted.prices));
  state.drawn = report.id;
  at("main").dataset.report = report.id;
}

let advising = null;
function drawAdvice(found) {
  const pending = found.state === "pending";
  settle(at("advice"), ...cards.advice(found));
  at("ask-advice").textContent = pending ? "Being worked out…" : "Work out advice now";
  at("ask-advice").setAttribute("aria-disabled", String(pending)); // still there for the keyboard
  clearTimeout(advising);
  if (pending) advising = setTimeout(renewAdvice, EVERY_MS, state.chosen);
}

async function renewAdvice(name, body) {
  try {
    const found = await api(`${pathOf(name)}/advice`, body);
    if (name === state.chosen) drawAdvice(found);
    if (found.state !== "pending") soon(); // what to do stands above, too
  } catch (error) {
    at("advice").replaceChildren(error.message);
  }
}

// Old figures look old: without an answer, or where the service says that its scans stand still, nothing is green.
function fresh(time, wrong) {
  state.answered = time ?? state.answered;
  document.body.classList.toggle("old", wrong !== null);
  at("old").hidden = wrong === null;
  if (wrong !== null)
    at("old").textContent = `Old figures${state.answered ? `, of ${clock(state.answered)} UTC` : ""}: ${wrong}`;
  at("fresh").textContent = state.answered
    ? `${state.live ? "live" : "asking every 2 s"}, figures of ${clock(state.answered)} UTC`
    : "";
}

const unanswered = (error) => fresh(null, `no answer (${error.message})`);

function listen() {
  state.stop ??= follow(
    "/v1/stream",
    state.key,
    (event) => {
      if (event !== "hello") soon();
    },
    (open) => {
      state.live = open;
      soon();
    },
  );
}

let due = null,
  under = false,
  wanted = Infinity;
function soon(ms = SOON_MS) {
  wanted = Math.min(wanted, ms);
  if (under) return;
  clearTimeout(due);
  due = setTimeout(round, wanted);
}

// Asks for everything that is shown. One round at a time: what is heard meanwhile has another one follow.
async function round() {
  under = true;
  wanted = Infinity;
  try {
    const [{ time, rows }, wrong] = await Promise.all([portfolios(), unready()]);
    if (!state.chosen && rows.length) select(rows[0].portfolio);
    list(rows);
    if (state.chosen) await show(state.chosen);
    listen();
    fresh(time, wrong);
  } catch (error) {
    unanswered(error);
  }
  under = false;
  soon(state.live ? SELDOM_MS : EVERY_MS);
}

at("ask-advice").addEventListener("click", () => {
  if (at("ask-advice").getAttribute("aria-disabled") !== "true") renewAdvice(state.chosen, {});
});
at("signin").addEventListener("submit", (event) => {
  event.preventDefault();
  state.key = at("key").value;
  sessionStorage.setItem("key", state.key);
  state.stop?.();
  state.stop = null;
  soon(0);
});
watchSliders(api);
round();
