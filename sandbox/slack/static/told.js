/** What the bot tells those who run it, in the panel: its log, its audit feed, its metrics, and reports for auditors. */

import { get } from "./api.js";
import { h, uid } from "./dom.js";

const TABS = [
  ["log", "Log"],
  ["audit", "Audit"],
  ["metrics", "Metrics"],
  ["report", "Report"],
];
const NAMES = "Log, audit, metrics and report";
const EMPTY = {
  log: "No log lines yet.",
  audit: "No audit lines yet.",
  metrics: "The bot isn’t responding.",
  report: "Nothing to report.",
};
const BY_TOP = new Set(["metrics", "report"]); // read from the top; the others from their newest line

export class Told {
  #what = TABS[0][0];
  #asked = 0;

  constructor() {
    const id = uid("told");
    this.tabs = TABS.map(([what, label]) =>
      h("button", { type: "button", role: "tab", "aria-controls": id, onclick: () => this.#choose(what) }, label),
    );
    this.lines = h("div", { id, class: "lines", role: "tabpanel", tabindex: "0", dir: "ltr" });
    this.node = h(
      "details",
      { class: "told", ontoggle: () => this.refresh() },
      h("summary", {}, NAMES),
      h("div", { role: "tablist", "aria-label": NAMES, onkeydown: (event) => this.#step(event) }, this.tabs),
      this.lines,
    );
    this.#mark();
  }

  update() {
    this.refresh();
  }

  /**
   * Read again while the part is open. Someone who scrolled up, or selected something, keeps their place. A report is
   * a command that is run, so it is made only when someone chooses it.
   */
  async refresh(isNew = false) {
    if (this.#what === "report" && !isNew) return;
    const { scrollTop, scrollHeight, clientHeight } = this.lines;
    const isAtEnd = BY_TOP.has(this.#what) || scrollHeight - scrollTop - clientHeight < 24;
    const isSelected = this.lines.contains(document.getSelection()?.anchorNode) && !document.getSelection().isCollapsed;
    if (!this.node.open || (!isNew && (isSelected || !isAtEnd))) return;
    this.#asked += 1;
    const mine = this.#asked;
    let told;
    try {
      const { lines } = await get(`/control/told?what=${this.#what}`);
      told = lines.length > 0 ? lines : [EMPTY[this.#what]];
    } catch (error) {
      told = [error.message];
    }
    if (mine !== this.#asked || told.join("") === this.lines.textContent) return;
    this.lines.replaceChildren(...told.map((line) => h("div", {}, line)));
    if (!BY_TOP.has(this.#what)) this.lines.scrollTop = this.lines.scrollHeight;
  }

  #choose(what) {
    this.#what = what;
    this.lines.replaceChildren(...(what === "report" ? [h("div", {}, "Running latchkey report…")] : []));
    this.#mark();
    this.refresh(true);
  }

  #mark() {
    TABS.forEach(([what], index) => {
      const isChosen = what === this.#what;
      this.tabs[index].setAttribute("aria-selected", String(isChosen));
      this.tabs[index].tabIndex = isChosen ? 0 : -1;
    });
  }

  #step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = (TABS.findIndex(([what]) => what === this.#what) + by + TABS.length) % TABS.length;
    this.#choose(TABS[next][0]);
    this.tabs[next].focus();
  }
}
