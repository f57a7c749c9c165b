/** Every single switch: what goes wrong at Confluent Cloud and at Slack, and how this Slack behaves. */

import { h, uid } from "./dom.js";

const SIDES = [
  ["confluent", "Confluent Cloud"],
  ["slack", "Slack"],
];

/** A switch; `apply` takes its new value. */
function faultControl(fault, apply) {
  const id = uid("fault");
  const isTurned = fault.usual !== undefined && fault.value !== fault.usual;
  const row = (control) =>
    h("div", { class: isTurned ? "fault turned" : "fault" }, h("label", { for: id }, fault.label), control);
  if (fault.choices?.length > 0) {
    const options = fault.choices.map((choice, index) =>
      h("option", { value: index, selected: choice === fault.value }, String(choice)),
    );
    return row(h("select", { id, onchange: (event) => apply(fault.choices[event.target.value]) }, options));
  }
  const number = (event) => apply(event.target.value === "" ? 0 : Number(event.target.value));
  return row(h("input", { id, type: "number", min: "0", step: "any", value: fault.value ?? "", onchange: number }));
}

/** Some switches under a heading that opens them; drawn again when one of them changed, unless it is in use. */
class Group {
  #shown = "";

  constructor(title) {
    this.rows = h("div", {});
    this.node = h("details", { class: "group" }, h("summary", {}, title), this.rows);
  }

  update(faults, apply) {
    const state = JSON.stringify(faults);
    const held = document.activeElement;
    const inUse = this.rows.matches(":active") || (this.rows.contains(held) && held.matches("input, select"));
    if (state === this.#shown || (inUse && this.#shown !== "")) return;
    this.#shown = state;
    this.rows.replaceChildren(...faults.map((fault) => faultControl(fault, (value) => apply(fault.name, value))));
  }

  /** A switch was changed: draw what is true now, also over the switch itself. */
  forget() {
    this.#shown = "";
  }
}

export class Faults {
  #change;
  #groups = new Map();

  /** `change(path, body)` asks the sandbox for something. */
  constructor(change) {
    this.#change = change;
    this.body = h("div", {});
    this.seed = h("p", { class: "seed" });
    const all = (which) => () => this.#turn("/control/manners", { all: which });
    this.manners = h(
      "section",
      {},
      h("h3", {}, "Slack’s behavior"),
      this.seed,
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", class: "btn", onclick: all("unkind") }, "Like the real Slack"),
        h("button", { type: "button", class: "btn", onclick: all("kind") }, "Well-behaved"),
      ),
    );
    this.node = h("details", { class: "faults" }, h("summary", {}, "Single faults"), this.body, this.manners);
  }

  update({ faults, manners }) {
    for (const [side, title] of SIDES) {
      const section = this.#section(side, title);
      for (const [name, group] of Map.groupBy(faults[side], (fault) => fault.group))
        this.#group(section, `${side} ${name}`, name).update(group, (fault, value) =>
          this.#turn("/control/fault", { side, name: fault, value }),
        );
    }
    this.seed.textContent = `Seed ${manners.seed}`;
    this.#group(this.manners, "manners", "Habits").update(manners.habits, (name, value) =>
      this.#turn("/control/manners", { name, value }),
    );
  }

  #turn(path, body) {
    for (const group of this.#groups.values()) group.forget?.();
    return this.#change(path, body);
  }

  #section(side, title) {
    if (!this.#groups.has(side)) {
      const node = h("section", {}, h("h3", {}, title));
      this.#groups.set(side, { node });
      this.body.append(node);
    }
    return this.#groups.get(side).node;
  }

  #group(section, key, title) {
    if (!this.#groups.has(key)) {
      const group = new Group(title);
      this.#groups.set(key, group);
      section.append(group.node);
    }
    return this.#groups.get(key);
  }
}
