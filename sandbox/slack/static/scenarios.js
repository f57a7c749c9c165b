/** What the panel offers to try first: each scenario with a name, and with what to look at. */

import { h, uid } from "./dom.js";

export class Scenarios {
  #change;
  #buttons = new Map();

  /** `change(path, body)` asks the sandbox for something, and gives its answer, or null where it was refused. */
  constructor(change) {
    this.#change = change;
    this.list = h("ul", { class: "scenarios" });
    this.said = h("p", { class: "said", role: "status" });
    this.node = h("section", {}, h("h3", {}, "Try a scenario"), this.list);
  }

  update({ scenarios }) {
    if (this.#buttons.size === 0) this.list.append(...scenarios.map((scenario) => this.#row(scenario)));
    for (const { name, on } of scenarios) this.#buttons.get(name).setAttribute("aria-pressed", String(on));
  }

  #row({ name, title, about }) {
    const id = uid("about");
    const button = h(
      "button",
      { type: "button", "aria-label": title, "aria-describedby": id, onclick: () => this.#begin(name) },
      h("span", { class: "title" }, title),
      h("span", { id, class: "about" }, about),
    );
    this.#buttons.set(name, button);
    return h("li", {}, button);
  }

  async #begin(name) {
    this.said.textContent = "";
    this.#buttons.get(name).after(this.said); // in view, unlike the end of the list
    const answer = await this.#change("/control/scenario", { name });
    this.said.textContent = answer?.said ?? "";
  }
}
