/** The “Sandbox” panel: where to start, scenarios, the clock, the bot, what it tells, and single faults behind them. */

import { get, post } from "./api.js";
import { Console } from "./console.js";
import { h, uid } from "./dom.js";
import { Faults } from "./faults.js";
import { setClockOffset } from "./names.js";
import { toast } from "./overlay.js";
import { Scenarios } from "./scenarios.js";
import { Told } from "./told.js";

const POLL_MS = 3000;
const NARROW_PX = 760; // as in float.css: there the panel covers the page
const ROOM_PX = 1090; // for rail, messages and panel side by side
const STEPS = [
  ["+5 min", 300],
  ["+1 h", 3600],
  ["+1 day", 86400],
  ["+1 week", 604800],
];
const OFFSETS = [
  ["exactly then", 0],
  ["1 hour before", 3600],
  ["1 day before", 86400],
  ["7 days before", 604800],
  ["1 minute after", -60],
];

/** Ask the sandbox for something, and draw what is true afterwards, even where it was refused; what it answered. */
async function change(path, body) {
  let answer = null;
  try {
    answer = await post(path, body);
  } catch (error) {
    toast(error.message, "error");
  }
  await refresh();
  return answer;
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

const clockTime = (iso) => new Date(iso).toLocaleTimeString([], { timeStyle: "medium" });

class Clock {
  constructor() {
    this.now = h("p", { class: "now" });
    const steps = STEPS.map(([label, seconds]) =>
      h("button", { type: "button", class: "btn", onclick: () => change("/control/clock", { advance: seconds }) }, label),
    );
    this.node = h(
      "section",
      {},
      h("h3", {}, "Clock"),
      this.now,
      h("div", { class: "buttons" }, steps),
      this.#moveTo(),
    );
  }

  /** Sets the clock to a moment, or to so long before it: of a deadline, say, that a message tells. */
  #moveTo() {
    const [moment, offset] = [uid("moment"), uid("offset")];
    const when = h("input", { id: moment, type: "datetime-local" });
    const choices = OFFSETS.map(([label, seconds]) => h("option", { value: seconds }, label));
    const before = h("select", { id: offset }, choices);
    const go = () => {
      if (!when.value) return when.focus();
      return change("/control/clock", { to: new Date(when.value).toISOString(), lead: Number(before.value) });
    };
    return h(
      "div",
      { class: "move" },
      h("div", { class: "fault" }, h("label", { for: moment }, "Set clock to"), when),
      h("div", { class: "fault" }, h("label", { for: offset }, "Offset"), before),
      h("button", { type: "button", class: "btn", onclick: go }, "Set clock"),
    );
  }

  update({ now, offset }) {
    const when = new Date(now).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    this.now.textContent = offset > 0 ? `${when}, ${span(offset)} ahead` : when;
  }
}

class Bot {
  constructor() {
    const doing = (what) => () => change("/control/bot", { do: what });
    this.state = h("p", { class: "bot" });
    this.kill = h("button", { type: "button", class: "btn danger", onclick: doing("kill") }, "Kill -9");
    this.start = h("button", { type: "button", class: "btn", onclick: doing("start") }, "Start");
    this.killed = h("div", { class: "killed", role: "status" });
    const buttons = h("div", { class: "buttons" }, this.kill, this.start);
    this.node = h("section", {}, h("h3", {}, "Bot"), this.state, buttons, this.killed);
  }

  update({ bot, killed, now }) {
    const words = bot.alive ? `Running, process ${bot.pid}` : "Not running";
    const again = bot.restarts > 0 ? `, restarted ${bot.restarts}×` : "";
    this.state.textContent = words + again;
    this.kill.disabled = !bot.alive;
    this.start.disabled = bot.alive;
    const told = killed ? this.#inHand(killed, bot.alive, new Date(now)) : [];
    if (told.map((node) => node.textContent).join() !== this.killed.textContent) this.killed.replaceChildren(...told);
  }

  /** What the killed process had begun. Another one may take it up only when its leases have ended. */
  #inHand({ at, in_hand: items }, isAlive, now) {
    const open = items.filter(({ until }) => new Date(until) > now);
    if (isAlive && open.length === 0) return [];
    if (items.length === 0) return [h("p", {}, `Killed at ${clockTime(at)}. It wasn’t working on anything.`)];
    const lines = items.map(({ what, until }) => {
      const when = new Date(until) > now ? `picked up again at ${clockTime(until)}` : "free to be picked up";
      return h("li", {}, `${what}: ${when}`);
    });
    const last = isAlive ? [] : [h("p", {}, "Start the bot to continue.")];
    return [h("p", {}, `Killed at ${clockTime(at)} while working on:`), h("ul", {}, lines), ...last];
  }
}

/** What to do first, for people who have never seen it. */
class Steps {
  constructor() {
    this.list = h("ol", {});
    this.node = h("section", { class: "steps" }, h("h3", {}, "Start here"), this.list);
  }

  update({ steps }) {
    if (!this.list.hasChildNodes()) this.list.append(...steps.map((step) => h("li", {}, step)));
  }
}

/** Whether anything is broken on purpose: one button clears it all. */
class Active {
  constructor() {
    this.words = h("p", {});
    const clear = () => change("/control/reset", {});
    const button = h("button", { type: "button", class: "btn", onclick: clear }, "Clear all faults");
    this.node = h("section", { class: "mend" }, this.words, button);
  }

  update({ faults, scenarios }) {
    const turned = [...faults.confluent, ...faults.slack].filter(({ value, usual }) => value !== usual).length;
    const waiting = scenarios.filter(({ name, on }) => on && name === "crash").length;
    const count = turned + waiting;
    this.node.hidden = count === 0;
    this.words.textContent = count === 1 ? "1 fault active" : `${count} faults active`;
  }
}

let parts = null;

/** Read the switches and draw what changed. False when there is no control API. */
export async function refresh() {
  let control;
  try {
    control = await get("/control");
  } catch (error) {
    return error.status !== 404;
  }
  setClockOffset(control.offset ?? 0);
  if (!parts) {
    const [first, scenarios, last] = [new Steps(), new Scenarios(change), new Faults(change)];
    parts = [first, scenarios, new Active(), new Told(), new Clock(), new Bot(), new Console(), last];
    document.querySelector("#panel-body").replaceChildren(...parts.map(({ node }) => node));
  }
  // What moves under a pressed mouse swallows the click.
  if (!document.querySelector("#panel-body").matches(":active")) for (const part of parts) part.update(control);
  return true;
}

/** Start the panel; without a control API (Slack served alone) it stays hidden. */
export async function startPanel() {
  const [panel, toggle] = [document.querySelector("#panel"), document.querySelector("#panel-toggle")];
  /** Messages keep their width: the rail folds away where there is no room for all three. */
  const fold = () => {
    const least = panel.classList.contains("open") ? ROOM_PX : NARROW_PX;
    document.body.classList.toggle("folded", window.innerWidth <= least);
  };
  const show = (yes) => {
    panel.classList.toggle("open", yes);
    toggle.setAttribute("aria-expanded", String(yes));
    fold();
  };
  matchMedia(`(max-width: ${NARROW_PX}px)`).addEventListener("change", ({ matches }) => matches && show(false));
  window.addEventListener("resize", fold);
  fold();
  if (!(await refresh())) return;
  panel.hidden = false;
  toggle.addEventListener("click", () => {
    const yes = !panel.classList.contains("open");
    show(yes);
    localStorage.setItem("panel", yes ? "open" : "closed");
  });
  const remembered = localStorage.getItem("panel") ?? (window.innerWidth > ROOM_PX ? "open" : "closed");
  show(remembered === "open" && window.innerWidth > NARROW_PX);
  setInterval(() => document.visibilityState === "visible" && refresh(), POLL_MS);
}
