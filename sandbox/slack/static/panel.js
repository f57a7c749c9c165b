/** The “Sandbox” panel: make Slack or Confluent Cloud misbehave, move the clock, kill the bot. */

import { get, post } from "./api.js";
import { Console } from "./console.js";
import { h, uid } from "./dom.js";
import { setClockOffset } from "./names.js";
import { toast } from "./overlay.js";
import { Told } from "./told.js";

const POLL_MS = 3000;
const NARROW_PX = 760; // as in float.css: there the panel would cover the page
const STEPS = [
  ["+5 min", 300],
  ["+1 h", 3600],
  ["+1 day", 86400],
  ["+1 week", 604800],
];
const LEADS = [
  ["just then", 0],
  ["1 h before", 3600],
  ["1 day before", 86400],
  ["7 days before", 604800],
  ["1 min after", -60],
];
const SIDES = [
  ["confluent", "Confluent Cloud"],
  ["slack", "Slack"],
];

/** A switch, which posts its new value to `path` together with `more`. */
function faultControl(fault, path, more = {}) {
  const id = uid("fault");
  const apply = (value) => change(path, { ...more, name: fault.name, value });
  const isSwitch = fault.choices?.length === 2 && fault.choices.every((choice) => typeof choice === "boolean");
  const isTurned = fault.usual !== undefined && fault.value !== fault.usual;
  const row = (control) =>
    h("div", { class: isTurned ? "fault turned" : "fault" }, h("label", { for: id }, fault.label ?? fault.name), control);
  if (isSwitch)
    return row(
      h("input", {
        id,
        type: "checkbox",
        role: "switch",
        checked: fault.value,
        onchange: (event) => apply(event.target.checked),
      }),
    );
  if (fault.choices?.length > 0) {
    const options = fault.choices.map((choice, index) =>
      h("option", { value: index, selected: choice === fault.value }, String(choice ?? "none")),
    );
    return row(h("select", { id, onchange: (event) => apply(fault.choices[event.target.value]) }, options));
  }
  if (typeof fault.value === "string")
    return row(h("input", { id, type: "text", value: fault.value, onchange: (event) => apply(event.target.value) }));
  const number = (event) => apply(event.target.value === "" ? 0 : Number(event.target.value));
  return row(h("input", { id, type: "number", min: "0", step: "any", value: fault.value ?? "", onchange: number }));
}

let shown = "";
const kept = {}; // what is not drawn anew: somebody may be at it

async function change(path, body) {
  try {
    await post(path, body);
  } catch (error) {
    toast(error.message, "error");
  }
  shown = ""; // draw what is true now, even where the change was refused
  await refresh();
}

/** Seconds as "1 day 2 h 5 min". */
function span(seconds) {
  const minutes = Math.round(seconds / 60);
  const days = Math.floor(minutes / 1440);
  const parts = [
    [days, days === 1 ? "day" : "days"],
    [Math.floor((minutes % 1440) / 60), "h"],
    [minutes % 60, "min"],
  ];
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** Moves the clock to a moment, or to so long before it: of a deadline, say, that a message tells. */
function moveTo() {
  const [moment, lead] = [uid("moment"), uid("lead")];
  const when = h("input", { id: moment, type: "datetime-local" });
  const before = h(
    "select",
    { id: lead },
    LEADS.map(([label, seconds]) => h("option", { value: seconds }, label)),
  );
  const go = () => {
    if (!when.value) return when.focus();
    return change("/control/clock", { to: new Date(when.value).toISOString(), lead: Number(before.value) });
  };
  return h(
    "div",
    { class: "move" },
    h("div", { class: "fault" }, h("label", { for: moment }, "Go to the moment"), when),
    h("div", { class: "fault" }, h("label", { for: lead }, "…or near it"), before),
    h("button", { type: "button", class: "btn", onclick: go }, "Go there"),
  );
}

function clockPart(control, move) {
  const buttons = STEPS.map(([label, seconds]) =>
    h("button", { type: "button", class: "btn", onclick: () => change("/control/clock", { advance: seconds }) }, label),
  );
  const when = new Date(control.now).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const ahead = control.offset > 0 ? `, ${span(control.offset)} ahead` : "";
  return h(
    "section",
    {},
    h("h3", {}, "Clock"),
    h("p", { class: "now" }, `${when}${ahead}`),
    h("div", { class: "buttons" }, buttons),
    move,
  );
}

/** Something is broken on purpose: one button mends it all. */
function mendPart({ faults }) {
  const turned = SIDES.flatMap(([side]) => faults?.[side] ?? []).filter(({ value, usual }) => value !== usual);
  if (turned.length === 0) return null;
  const words = turned.length === 1 ? "1 switch is turned." : `${turned.length} switches are turned.`;
  return h(
    "section",
    { class: "mend" },
    h("p", {}, words),
    h("button", { type: "button", class: "btn", onclick: () => change("/control/reset", {}) }, "Let everything work"),
  );
}

function botPart({ bot }) {
  if (!bot) return null;
  const doing = (what) => () => change("/control/bot", { do: what });
  const words = bot.alive ? `Running, process ${bot.pid}` : "Not running";
  const again = bot.restarts > 0 ? `, started again ${bot.restarts}×` : "";
  return h(
    "section",
    {},
    h("h3", {}, "Bot"),
    h("p", { class: "bot" }, `${words}${again}`),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "btn danger", disabled: !bot.alive, onclick: doing("kill") }, "Kill -9"),
      h("button", { type: "button", class: "btn", disabled: bot.alive, onclick: doing("start") }, "Start"),
    ),
  );
}

function faultsPart(control, [side, title]) {
  const faults = control.faults?.[side] ?? [];
  return (
    faults.length > 0 &&
    h(
      "section",
      {},
      h("h3", {}, title),
      faults.map((fault) => faultControl(fault, "/control/fault", { side })),
    )
  );
}

/** What the real Slack does that nobody expects; the seed repeats what is drawn. */
function mannersPart({ manners }) {
  if (!manners) return null;
  const all = (which) => () => change("/control/manners", { all: which });
  return h(
    "section",
    {},
    h("h3", {}, "Slack’s manners"),
    h("p", { class: "seed" }, `Seed ${manners.seed}`),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "btn", onclick: all("unkind") }, "As the real Slack"),
      h("button", { type: "button", class: "btn", onclick: all("kind") }, "All kind"),
    ),
    manners.habits.map((habit) => faultControl(habit, "/control/manners")),
  );
}

/** Someone is using the panel: drawing it again now would throw away what they typed, or the click under way. */
function inUse(body) {
  if (body.matches(":active")) return true;
  const held = document.activeElement;
  return shown !== "" && body.contains(held) && held.matches("input:not([role='switch']), select");
}

/** Read the switches and draw them if anything but the running clock changed. False when there is no control API. */
async function refresh() {
  let control;
  try {
    control = await get("/control");
  } catch (error) {
    return error.status !== 404;
  }
  setClockOffset(control.offset ?? 0);
  const state = JSON.stringify([control.faults, control.manners, control.bot, control.now.slice(0, 16)]);
  const body = document.querySelector("#panel-body");
  kept.console?.refresh();
  kept.told?.refresh();
  if (state === shown || inUse(body)) return true;
  shown = state;
  kept.console ??= new Console();
  kept.told ??= new Told();
  kept.move ??= moveTo();
  const clock = clockPart(control, kept.move);
  const sides = SIDES.map((side) => faultsPart(control, side));
  const own = [kept.told.node, kept.console.node];
  const parts = [botPart(control), clock, ...own, mendPart(control), ...sides, mannersPart(control)];
  const { scrollTop } = kept.told.lines; // which a node loses that is put in again
  body.replaceChildren(...parts.filter(Boolean));
  kept.told.lines.scrollTop = scrollTop;
  return true;
}

/** Start the panel; without a control API (Slack served alone) it stays hidden. */
export async function startPanel() {
  const [panel, toggle] = [document.querySelector("#panel"), document.querySelector("#panel-toggle")];
  const show = (yes) => {
    panel.classList.toggle("open", yes);
    toggle.setAttribute("aria-expanded", String(yes));
  };
  if (!(await refresh())) return;
  panel.hidden = false;
  toggle.addEventListener("click", () => {
    const yes = !panel.classList.contains("open");
    show(yes);
    localStorage.setItem("panel", yes ? "open" : "closed");
  });
  const remembered = localStorage.getItem("panel") ?? (window.innerWidth > 1100 ? "open" : "closed");
  show(remembered === "open" && window.innerWidth > NARROW_PX);
  setInterval(() => document.visibilityState === "visible" && refresh(), POLL_MS);
}
