// Figures and tables of one portfolio: its state in words, its accounts, its alerts, the advice.
import { el, folded, quiet, table } from "/web/dom.js";
import {
  UNKNOWN,
  accountId,
  clock,
  fullName,
  help,
  known,
  liquidation,
  number,
  owes,
  signedUsd,
  span,
  spoken,
  usd,
} from "/web/words.js";

const figure = (name, value) =>
  el("div", {}, el("dt", {}, name), el("dd", { class: value === UNKNOWN ? "UNKNOWN tone" : "" }, value));
const badge = (status) => el("span", { class: "badge" }, spoken(status));

export function listed(rows, chosen, choose) {
  return rows.map((row) => {
    const status = row.status ?? "UNKNOWN",
      current = String(row.portfolio === chosen);
    return el(
      "li",
      {},
      el(
        "button",
        {
          class: status,
          type: "button",
          "data-name": row.portfolio,
          "aria-current": current,
          onclick: () => choose(row.portfolio),
        },
        el("strong", {}, row.portfolio),
        badge(status),
        el("small", {}, row.status_reason || "no report yet"),
      ),
    );
  });
}

export function head(report, advice) {
  const gaps = report.data_quality.degraded.map((gap) => el("li", {}, `${gap.what}: ${gap.reason}`)),
    worst = report.worst_scenario;
  const age = known(report.data_quality.staleness_s)
    ? `${span(report.data_quality.staleness_s)} old`
    : "age unknown";
  const ratio =
    known(report.margin_ratio) || !known(report.mm_requirement_usd)
      ? number(report.margin_ratio, 2)
      : "nothing required";
  return [
    el("h2", { class: "name" }, report.portfolio.name, " ", badge(report.status)),
    el("p", { class: "sentence" }, report.status_reason),
    el("dl", { class: "facts" }, ...facts(report, advice)),
    el(
      "dl",
      { class: "figures" },
      figure("net value", usd(report.net_value_usd)),
      figure("requirement", usd(report.mm_requirement_usd)),
      figure("excess", usd(report.mm_excess_usd)),
      figure("margin ratio", ratio),
      figure("latency add-on", usd(report.bridge_latency_addon_usd)),
      figure("worst scenario", worst ? `${usd(worst.loss_usd)} (${worst.label})` : UNKNOWN),
      figure("data", report.data_quality.complete ? `complete, ${age}` : "incomplete"),
    ),
    gaps.length
      ? el(
          "details",
          { class: report.data_quality.complete ? "" : "UNKNOWN" },
          el(
            "summary",
            { class: report.data_quality.complete ? "" : "tone" },
            `${gaps.length} ${gaps.length === 1 ? "remark" : "remarks"} on the data`,
          ),
          el("ul", { class: "plain" }, ...gaps),
        )
      : null,
  ];
}

// Who dies first and when, when help is there, what to move: what a reader looks for.
function facts(report, advice) {
  const first = report.venues.find((line) => accountId(line) === report.binding_account);
  if (!first || !owes(first))
    return [figure("dies first", report.status === "UNKNOWN" ? UNKNOWN : "nothing can be liquidated")];
  const plan = advice.advice?.plans[0],
    calm = report.status === "SAFE" || report.status === "WATCH";
  const advised = plan ? `${plan.about} (advised ${span(advice.age_s)} ago)` : advice.advice?.reason;
  const move = calm ? "nothing now" : (advised ?? "ask for advice below");
  return [
    figure("dies first", fullName(first)),
    figure("liquidation", liquidation(first)),
    figure("help there", help(first)),
    figure("to do", report.status === "UNKNOWN" ? UNKNOWN : move),
  ];
}

export function venues(report) {
  const far = (line) =>
    Object.entries(line.distance_to_liquidation)
      .map(([factor, move]) => `${factor} ${known(move) ? `${number(move, 1)} %` : "never"}`)
      .join(", ");
  const lacking = (line) => (owes(line) ? UNKNOWN : "–");
  return table(
    "Table of venue accounts",
    [
      "account",
      "status",
      "equity",
      "required",
      "surplus",
      "floor",
      "health",
      "distance to liquidation",
      "movable",
    ],
    report.venues.map((line) => ({
      tone: line.status,
      cells: [
        fullName(line),
        ["tone", spoken(line.status)],
        usd(line.equity_usd),
        usd(line.mm_requirement_usd),
        usd(line.surplus_usd),
        usd(line.local_floor_usd),
        known(line.health) ? number(line.health, 3) : lacking(line),
        ["wrap", far(line) || lacking(line)],
        usd(line.movable_usd),
      ],
    })),
  );
}

const stands = ({ life }) =>
  !life
    ? ""
    : life.state === "resolved"
      ? `over after ${span(life.duration_s)}`
      : life.state === "acknowledged"
        ? `acknowledged by ${life.acknowledged_by}`
        : "open";
const missing = (alert) => alert.type.startsWith("data.");
const ofStatus = (alert) => alert.watch === "status" && alert.type !== "data.missing";
const alertTone = (alert) =>
  ofStatus(alert)
    ? alert.status
    : missing(alert)
      ? "UNKNOWN"
      : alert.severity === "critical"
        ? "DELEVERAGE"
        : "WATCH";

export function alerts(found) {
  if (!found.length) return [quiet("none")];
  return [
    el(
      "div",
      { class: "scroll tall", tabindex: "0", role: "group", "aria-label": "Alerts, newest first" },
      el(
        "ul",
        { class: "plain alerts" },
        ...found.map((alert) =>
          el(
            "li",
            { class: alertTone(alert), "data-state": alert.life?.state ?? "" },
            el("span", { class: "quiet" }, `${clock(alert.created_at)} `),
            el("span", { class: "tone" }, ofStatus(alert) ? spoken(alert.status) : alert.watch),
            ` ${alert.reason}`,
            el("small", { class: "quiet" }, ` ${stands(alert)}`),
          ),
        ),
      ),
    ),
  ];
}

export function advice(found) {
  const given = found.advice,
    failed = found.state === "failed";
  const overtaken = given && found.report_id !== found.newest_report_id ? ", from an earlier report" : "";
  const words = failed
    ? `failed: ${found.reason}`
    : given
      ? `${given.reason} (${span(found.age_s)} old${overtaken})`
      : "None yet. It is worked out on forks of the chains; nothing is signed or sent.";
  return [
    el("p", { class: failed ? "alarm" : "quiet" }, words),
    given?.plans.length ? el("ol", { class: "plain plans" }, ...given.plans.map(plan)) : null,
  ];
}

function plan(one) {
  const late = known(one.eta.p99_stress_s)
    ? `there in ${span(one.eta.p99_stress_s)} on a bad day`
    : "may never arrive";
  const { before, after } = one,
    line = (name, was, becomes) => ({ cells: [name, was, becomes] });
  const rows = [
    {
      cells: [
        "status",
        [`${before.status} tone`, spoken(before.status)],
        [`${after.status} tone`, spoken(after.status)],
      ],
    },
    line("surplus of the account", usd(before.surplus_usd), usd(after.surplus_usd)),
    line("requirement", usd(before.mm_requirement_usd), usd(after.mm_requirement_usd)),
    line("excess", usd(before.mm_excess_usd), usd(after.mm_excess_usd)),
    line("margin ratio", number(before.margin_ratio, 2), number(after.margin_ratio, 2)),
  ];
  const steps = one.steps.map((step) =>
    el(
      "li",
      {},
      `${step.kind} ${usd(step.amount_usd)} of ${step.asset}${step.route ? ` by ${step.route}` : ""}`,
    ),
  );
  return el(
    "li",
    { class: after.status },
    el("strong", {}, one.about),
    ` for ${usd(one.cost_usd)} in fees, ${late}; ${one.residual}.`,
    table(`Before and after: ${one.about}`, ["", "before", "after"], rows),
    folded(`${steps.length} ${steps.length === 1 ? "step" : "steps"}`, el("ol", {}, ...steps)),
  );
}

const WAITING = "–";

// What a simulated change would do beside what is; the changes are the service's own figures.
export function changed({ before, after, ...change }) {
  const first = (report) => report.venues.find((line) => accountId(line) === report.binding_account);
  const dies = (report) =>
    first(report) ? `${fullName(first(report))} ${liquidation(first(report))}` : "nothing";
  const toned = (report) => [`${report.status} tone`, spoken(report.status)],
    then = (told) => (after ? told(after) : WAITING);
  const line = (name, told, more = "") => ({ cells: [name, told(before), then(told), more] }),
    gained = (text) => (after ? signedUsd(text) : WAITING);
  const rows = [
    line("status", toned),
    { cells: ["dies first", ["wrap", dies(before)], ["wrap", then(dies)], ""] },
    line("excess", (r) => usd(r.mm_excess_usd), gained(change.mm_excess_change_usd)),
    line("net value", (r) => usd(r.net_value_usd), gained(change.net_value_change_usd)),
    line("requirement", (r) => usd(r.mm_requirement_usd)),
    line("latency add-on", (r) => usd(r.bridge_latency_addon_usd)),
  ];
  const said = after
    ? `${after.status_reason}.`
    : "Move a slider: the service answers at once, nothing is changed.";
  return [
    table("Now and what if", ["", "now", "what if", "change"], rows),
    el("p", { class: "quiet" }, said),
    change.breaches?.length
      ? el("p", { class: "LIQUIDATABLE tone" }, `Liquidatable: ${change.breaches.join(", ")}.`)
      : null,
  ];
}
