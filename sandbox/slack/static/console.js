/** Confluent's Console in the panel: the keys, and what others do to them behind Latchkey's back. */

import { get, post } from "./api.js";
import { debounce, h, uid } from "./dom.js";
import { toast } from "./overlay.js";

const TYPING_MS = 250;

const age = (days) => (days === 1 ? "1 day old" : `${days} days old`);

export class Console {
  #query = "";
  #asked = 0;

  constructor() {
    const id = uid("find");
    const later = debounce(() => this.refresh(), TYPING_MS);
    this.input = h("input", {
      id,
      type: "search",
      placeholder: "ID, name, owner, cluster",
      oninput: () => {
        this.#query = this.input.value;
        later();
      },
    });
    this.list = h("ul", { class: "keys" });
    this.note = h("p", { class: "note", role: "status" });
    this.node = h(
      "details",
      { class: "console", ontoggle: () => this.refresh() },
      h("summary", {}, "API keys at Confluent"),
      h("div", { class: "fault" }, h("label", { for: id }, "Find keys"), this.input),
      this.list,
      this.note,
    );
  }

  update() {
    this.refresh();
  }

  /** Read the keys again, if they are looked at and no new name is being written. */
  async refresh() {
    if (!this.node.open || this.list.querySelector("input")) return;
    this.#asked += 1;
    const mine = this.#asked;
    try {
      const listing = await get(`/control/console?q=${encodeURIComponent(this.#query)}`);
      if (mine === this.#asked) this.#draw(listing);
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  #draw({ keys, found }) {
    if (this.list.querySelector("input") || this.list.matches(":active")) return; // typed in, or being clicked
    this.list.replaceChildren(...keys.map((key) => this.#row(key)));
    this.note.textContent = found > keys.length ? `Showing the newest ${keys.length} of ${found}.` : `${found} found.`;
  }

  #row(key) {
    const row = h("li", {});
    const what = `${key.id} at Confluent`;
    const deed = (label, name, run) =>
      h("button", { type: "button", class: "btn", "aria-label": name, onclick: run }, label);
    row.append(
      h("code", {}, key.id),
      h("span", { class: "name", dir: "auto" }, key.name || "(no name)"),
      h("span", { class: "detail", dir: "auto" }, `${key.owner}, ${key.resource}, ${age(key.days)}`),
      h(
        "div",
        { class: "buttons" },
        deed("Rename", `Rename ${what}`, () => this.#rename(row, key)),
        deed("Delete", `Delete ${what}`, () => this.#act({ do: "delete", key: key.id })),
        deed("Delete owner", `Delete the owner of ${what}`, () => this.#act({ do: "delete owner", key: key.id })),
      ),
    );
    return row;
  }

  #rename(row, key) {
    const done = () => {
      row.replaceWith(this.#row(key));
      this.refresh();
    };
    const input = h("input", {
      type: "text",
      value: key.name,
      dir: "auto",
      "aria-label": `New name of ${key.id}`,
      onkeydown: async (event) => {
        if (event.key === "Escape") done();
        if (event.key !== "Enter" || event.isComposing) return;
        const name = input.value;
        input.remove();
        await this.#act({ do: "rename", key: key.id, name });
      },
    });
    row.replaceChildren(h("code", {}, key.id), input);
    input.focus();
    input.select();
  }

  async #act(body) {
    try {
      await post("/control/console", body);
    } catch (error) {
      toast(error.message, "error");
    }
    await this.refresh();
  }
}
