/** Names for ids, and the sandbox's idea of what time it is. Filled by app.js and panel.js, read by every renderer. */

const users = new Map();
const channels = new Map();
const groups = new Map();
let clockOffsetMs = 0;

export const names = {
  me: "",
  addUser: (id, name) => id && name && users.set(id, name),
  addChannel: (id, name) => channels.set(id, name),
  addGroup: (id, handle) => groups.set(id, handle),
  user: (id) => users.get(id) ?? id,
  channel: (id) => channels.get(id) ?? id,
  group: (id) => groups.get(id) ?? id,
};

/** The sandbox's clock can be moved forward: "Today" and "Yesterday" follow it, at once and wherever they stand. */
export function setClockOffset(seconds) {
  clockOffsetMs = seconds * 1000;
  redate();
}

/** Mark a node whose text is this date, so that it changes with the clock. */
export function followsClock(node, timestamp, format, fallback) {
  Object.assign(node.dataset, { timestamp, format, fallback: fallback ?? "" });
  return node;
}

/** Write every date on the page anew. */
export function redate() {
  for (const node of document.querySelectorAll("[data-timestamp]")) {
    const { timestamp, format, fallback } = node.dataset;
    const text = formatDate(timestamp, format, fallback);
    const place = node.firstElementChild ?? node;
    if (place.textContent !== text) place.textContent = text;
  }
}

export const now = () => new Date(Date.now() + clockOffsetMs);

const LOCALE = "en-US";
const show = (date, options) => new Intl.DateTimeFormat(LOCALE, options).format(date);
const sameDay = (a, b) => a.toDateString() === b.toDateString();

function relativeDay(date) {
  const today = now();
  for (const [shift, word] of [
    [0, "Today"],
    [-1, "Yesterday"],
    [1, "Tomorrow"],
  ]) {
    const other = new Date(today);
    other.setDate(other.getDate() + shift);
    if (sameDay(date, other)) return word;
  }
  return null;
}

function ago(date) {
  const seconds = (date - now()) / 1000;
  const steps = [
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? steps.at(-1);
  return new Intl.RelativeTimeFormat(LOCALE).format(Math.round(seconds / size), unit);
}

const dateNum = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
const long = (date) => show(date, { weekday: "long", month: "long", day: "numeric", year: "numeric" });
const plain = (date) => show(date, { month: "long", day: "numeric", year: "numeric" });
const short = (date) => show(date, { month: "short", day: "numeric", year: "numeric" });

/** A time stands on one line: its AM or PM never begins the next. */
const unbroken = (text) => text.replaceAll(" ", "\u00a0");

const TOKENS = {
  date_num: dateNum,
  date_slash: (date) => dateNum(date).replaceAll("-", "/"),
  date: plain,
  date_short: short,
  date_long: long,
  date_pretty: (date) => relativeDay(date) ?? plain(date),
  date_short_pretty: (date) => relativeDay(date) ?? short(date),
  date_long_pretty: (date) => relativeDay(date) ?? long(date),
  day_divider_pretty: (date) => relativeDay(date) ?? show(date, { weekday: "long", month: "long", day: "numeric" }),
  time: (date) => unbroken(show(date, { hour: "numeric", minute: "2-digit" })),
  time_secs: (date) => unbroken(show(date, { hour: "numeric", minute: "2-digit", second: "2-digit" })),
  ago,
};

/** Slack's date format (`{date_short} at {time}`) in the reader's time zone; `fallback` when it does not parse. */
export function formatDate(timestamp, format, fallback) {
  const date = new Date(Number(timestamp) * 1000);
  const tokens = [...format.matchAll(/\{(\w+)\}/g)];
  const known = tokens.length > 0 && tokens.every(([, token]) => Object.hasOwn(TOKENS, token));
  if (Number.isNaN(date.getTime()) || !known) return fallback || format;
  return format.replace(/\{(\w+)\}/g, (_, token, at) => {
    const text = TOKENS[token](date);
    // Slack writes "today" in the middle of a sentence and "Today" at the start of one.
    return at > 0 ? text.replace(/^(Today|Yesterday|Tomorrow)$/, (word) => word.toLowerCase()) : text;
  });
}
