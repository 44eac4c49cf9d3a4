// Words for amounts, times and states. What is not known says so; it is never a zero.
const CHAINS = {
  "eip155:1": "ethereum",
  "eip155:10": "optimism",
  "eip155:42161": "arbitrum",
  "eip155:8453": "base",
};
export const STATUSES = ["LIQUIDATABLE", "DELEVERAGE", "UNKNOWN", "BRIDGE_NOW", "WATCH", "SAFE"];
export const UNKNOWN = "unknown";
export const TONES = {
  SAFE: "safe",
  WATCH: "watch",
  BRIDGE_NOW: "move",
  DELEVERAGE: "dead",
  LIQUIDATABLE: "dead",
  UNKNOWN: "unknown",
}; // names of the colours

export const known = (value) => value !== null && value !== undefined;
export const chainName = (id) => CHAINS[id] ?? id;
export const spoken = (status) => (status ?? "UNKNOWN").replace("_", " ");
export const severity = (status) => STATUSES.indexOf(status ?? "UNKNOWN");

export function usd(text) {
  if (!known(text)) return UNKNOWN;
  const value = Number(text),
    size = Math.abs(value),
    sign = value < 0 ? "−" : "";
  if (size >= 1e9) return `${sign}$${(size / 1e9).toFixed(2)}bn`;
  if (size >= 1e6) return `${sign}$${(size / 1e6).toFixed(2)}m`;
  if (size >= 1e4) return `${sign}$${(size / 1e3).toFixed(1)}k`;
  return `${sign}$${size.toLocaleString("en", { maximumFractionDigits: size < 10 ? 2 : 0, minimumFractionDigits: size > 0 && size < 10 ? 2 : 0 })}`;
}

// Prices keep their digits, 0.99944 as well as 60,086.57.
export function price(text) {
  if (!known(text)) return UNKNOWN;
  return `$${Number(text).toLocaleString("en", { maximumSignificantDigits: Number(text) < 1e4 ? 6 : 7 })}`;
}

export function signedUsd(text) {
  return known(text) && Number(text) > 0 ? `+${usd(text)}` : usd(text);
}

export function span(text) {
  if (!known(text)) return UNKNOWN;
  const s = Number(text);
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${(s / 3600).toFixed(1)} h`;
  return `${(s / 86400).toFixed(1)} d`;
}

export const clock = (time) => time.slice(11, 19);
export const number = (text, digits) => (known(text) ? Number(text).toFixed(digits) : UNKNOWN);
const accountName = (line) => `${line.venue} on ${chainName(line.chain)}`;
export const fullName = (line) => accountName(line) + (line.sub_account ? ` (${brief(line.sub_account)})` : "");
export const accountId = (line) =>
  `${line.account}/${line.venue}${line.sub_account ? `/${line.sub_account}` : ""}`;

function brief(text) {
  return text.length > 18 ? `${text.slice(0, 8)}…${text.slice(-6)}` : text;
}

// Whether an account owes anything, and so can be liquidated; one whose requirement is not known may.
export const owes = (line) => !known(line.mm_requirement_usd) || Number(line.mm_requirement_usd) !== 0;

export function liquidation(line) {
  if (line.status === "LIQUIDATABLE") return "now";
  return known(line.ttl_s)
    ? `in ${span(line.ttl_s)}`
    : known(line.ttl_exceeds_s)
      ? `not within ${span(line.ttl_exceeds_s)}`
      : UNKNOWN;
}

export function help(line) {
  if (known(line.ttf_s)) return `in ${span(line.ttf_s)}`;
  return line.ttf_reachable === false ? "no help suffices" : UNKNOWN;
}
