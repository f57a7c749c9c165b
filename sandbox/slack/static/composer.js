/** The box at the bottom: messages, slash commands with suggestions, and the lightning menu with global shortcuts. */

import { h } from "./dom.js";
import { openMenu, toast } from "./overlay.js";

const NARROW = matchMedia("(max-width: 760px)"); // as in float.css

export class Composer {
  #nodes;
  #on;
  #commands = [];
  #shortcuts = [];
  #found = [];
  #active = 0;
  #label = "";

  /** `nodes`: {input, send, bolt, list}; `on`: {command(text), message(text), shortcut(callback_id)} give promises. */
  constructor(nodes, on, signal) {
    this.#nodes = nodes;
    this.#on = on;
    const { input, send, bolt } = nodes;
    input.value = "";
    input.addEventListener("input", () => this.#suggest(), { signal });
    input.addEventListener("keydown", (event) => this.#key(event), { signal });
    input.addEventListener("blur", () => this.#hide(), { signal });
    send.addEventListener("click", () => this.#send(), { signal });
    bolt.addEventListener("click", () => this.#menu(), { signal });
    NARROW.addEventListener("change", () => this.address(this.#label), { signal });
    this.#hide();
  }

  offer(commands, shortcuts) {
    this.#commands = commands;
    this.#shortcuts = shortcuts;
  }

  /** Write to this conversation from now on. */
  address(label) {
    const first = NARROW.matches ? null : this.#commands[0]; // a placeholder that is too long is cut off
    this.#label = label;
    this.#nodes.input.placeholder = first ? `${label}, or type ${first.command}` : label;
    this.#nodes.input.setAttribute("aria-label", label);
  }

  #menu() {
    const items = this.#shortcuts.map((shortcut) => ({
      label: shortcut.name,
      detail: shortcut.description,
      run: () => this.#on.shortcut(shortcut.callback_id).catch((error) => toast(error.message, "error")),
    }));
    if (items.length > 0) openMenu(this.#nodes.bolt, items, "Shortcuts");
    else toast("No app offers a shortcut here.");
  }

  #suggest() {
    const { input, list } = this.#nodes;
    const typed = input.value;
    const [word] = typed.split(/\s/, 1);
    const open = typed.startsWith("/") && !typed.includes("\n");
    this.#found = open
      ? this.#commands.filter(({ command }) => (typed === word ? command.startsWith(word) : command === word))
      : [];
    this.#active = 0;
    list.replaceChildren(...this.#found.map((command, index) => this.#row(command, index)));
    list.hidden = this.#found.length === 0;
    this.#mark();
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
  }

  #row(command, index) {
    const onmousedown = (event) => {
      event.preventDefault(); // keeps the focus in the box
      this.#complete(index);
    };
    return h(
      "div",
      { role: "option", id: `command-${index}`, class: "option", "aria-selected": "false", onmousedown },
      h("strong", {}, command.command),
      " ",
      h("span", { class: "usage" }, command.usage_hint ?? ""),
      h("span", { class: "detail" }, command.description ?? ""),
    );
  }

  #mark() {
    [...this.#nodes.list.children].forEach((row, index) => {
      row.classList.toggle("active", index === this.#active);
      row.setAttribute("aria-selected", String(index === this.#active));
    });
    if (this.#found.length > 0) this.#nodes.input.setAttribute("aria-activedescendant", `command-${this.#active}`);
    else this.#nodes.input.removeAttribute("aria-activedescendant");
  }

  #hide() {
    this.#found = [];
    this.#nodes.list.hidden = true;
    this.#nodes.input.removeAttribute("aria-activedescendant");
  }

  #complete(index) {
    const { input } = this.#nodes;
    input.value = `${this.#found[index].command} `;
    input.focus();
    this.#suggest();
  }

  #key(event) {
    if (event.isComposing) return;
    const count = this.#found.length;
    const typed = this.#nodes.input.value;
    const unfinished = count > 0 && !typed.includes(" ") && this.#found[this.#active].command !== typed;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (unfinished) this.#complete(this.#active);
      else this.#send();
    } else if (event.key === "Tab" && !event.shiftKey && count > 0 && !typed.includes(" ")) {
      event.preventDefault();
      this.#complete(this.#active);
    } else if (count > 1 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.#active = (this.#active + (event.key === "ArrowDown" ? 1 : -1) + count) % count;
      this.#mark();
    } else if (event.key === "Escape" && count > 0) {
      this.#hide();
    }
  }

  async #send() {
    const { input } = this.#nodes;
    const typed = input.value;
    if (typed.trim() === "") return;
    const isCommand = typed.startsWith("/");
    const [word] = typed.trim().split(/\s/, 1);
    if (isCommand && !this.#commands.some(({ command }) => command === word)) {
      toast(`${word} is not a valid command. Messages that start with a “/” are read as commands.`, "warning");
      return;
    }
    input.value = "";
    this.#suggest();
    try {
      await (isCommand ? this.#on.command(typed.trim()) : this.#on.message(typed));
    } catch (error) {
      if (input.value === "") input.value = typed; // nothing that was typed gets lost
      toast(error.message, "error");
    }
  }
}
