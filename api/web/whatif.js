// The what-if sliders. One question is under way at a time; what was moved meanwhile is asked when it is answered.
import { at, el, settle } from "/web/dom.js";
import { changed } from "/web/cards.js";
import { accountId, fullName, owes, usd } from "/web/words.js";

const SLIDERS = [
  ["spot", "%"],
  ["vol", "%"],
  ["send", "$"],
];
const APART_MS = 60; // a dragged slider asks this often at most
const CALM_MS = 1000;
let report = null,
  ask = null,
  busy = false,
  again = false,
  turn = 0,
  last = -Infinity; // when a slider was moved

// Whether a slider is in somebody's hand: the rest of the page waits, so that its answers come at once.
export const sliding = () => performance.now() - last < CALM_MS;
const moved = () => SLIDERS.some(([id]) => Number(at(id).value) !== 0);

export function watchSliders(api) {
  ask = api;
  SLIDERS.forEach(([id]) =>
    at(id).addEventListener("input", () => {
      last = performance.now();
      question();
    }),
  );
  for (const id of ["from", "to"])
    at(id).addEventListener("change", () => {
      reach();
      question();
    });
  at("reset").addEventListener("click", () => {
    begin(report);
  });
}

// Another portfolio: everything as it is.
export function begin(shown) {
  report = shown;
  turn += 1;
  SLIDERS.forEach(([id]) => {
    at(id).value = 0;
  });
  settle(at("from"), ...sources(report));
  settle(
    at("to"),
    ...report.venues
      .filter(owes)
      .map((line) => option(accountId(line), fullName(line), accountId(line) === report.binding_account)),
  );
  reach();
  say();
  settle(at("answer"), ...changed({ before: report }));
  at("answer").dataset.ms = "";
}

// A new report of the same portfolio: what the sliders say is asked anew.
export function renew(shown) {
  report = shown;
  if (moved()) question();
  else settle(at("answer"), ...changed({ before: report }));
}

function option(value, text, chosen, more = {}) {
  return el("option", { value, ...(chosen && { selected: "" }), ...more }, text);
}

// Stable coins that lie idle, the largest first: what can be sent without closing anything.
function sources({ positions }) {
  const stable = /^stable$|^(USDC|USDT|DAI|SUSD)$/,
    value = (leg) => Number(leg.value_usd ?? 0);
  const idle = positions
    .filter((leg) => leg.venue === "wallet" && stable.test(leg.risk_factor ?? "") && Number(leg.size) > 0)
    .sort((a, b) => value(b) - value(a));
  return idle.map((leg, i) =>
    option(
      accountId(leg),
      `${leg.label.split(" ")[0]} in the ${fullName(leg)}: ${usd(leg.value_usd)}`,
      i === 0,
      { "data-asset": leg.label.split(" ")[0], "data-size": leg.size },
    ),
  );
}

// The slider ends where the holding does.
function reach() {
  const from = at("from").selectedOptions[0],
    most = from ? Math.floor(Number(from.dataset.size)) : 0,
    can = most > 0 && at("to").value !== "";
  at("send").max = can ? most : 0;
  at("send").step = most > 2000 ? 100 : 1;
  for (const id of ["send", "from", "to"]) at(id).disabled = !can;
  at("send-why").hidden = can;
}

function say() {
  for (const [id, unit] of SLIDERS) {
    const value = Number(at(id).value),
      text = unit === "$" ? usd(value) : `${value > 0 ? "+" : ""}${value} ${unit}`;
    at(`${id}-out`).textContent = text;
    at(id).setAttribute("aria-valuetext", text);
  }
}

function question() {
  say();
  if (busy) again = true;
  else simulate();
}

function changes() {
  const amount = Number(at("send").value),
    asset = at("from").selectedOptions[0]?.dataset.asset;
  const transfers = amount
    ? [{ source: at("from").value, destination: at("to").value, asset, amount: String(amount) }]
    : [];
  return { spot_pct: at("spot").value, vol_pct: at("vol").value, transfers };
}

async function simulate() {
  const mine = turn,
    started = performance.now();
  busy = true;
  again = false;
  try {
    const {
      results: [found],
    } = await ask("/v1/margin/simulate", {
      simulations: [{ portfolio: report.portfolio.name, changes: changes() }],
    });
    if (mine === turn) settle(at("answer"), ...changed(found));
  } catch (error) {
    if (mine === turn) settle(at("answer"), el("p", { class: "alarm" }, error.message));
  }
  if (mine === turn) at("answer").dataset.ms = Math.round(performance.now() - started);
  setTimeout(
    () => {
      busy = false;
      if (again) simulate();
    },
    Math.max(0, APART_MS - (performance.now() - started)),
  );
}
