/** What can be done with the message under the mouse or with the focus: a reply in its thread, an app's shortcuts. */

import { h } from "./dom.js";
import { words } from "./mrkdwn.js";
import { openMenu, toast } from "./overlay.js";

const SHORT = 60;

/** What a message begins with, to name its thread. */
function beginning(message) {
  const first = message.blocks?.find(({ text }) => text?.text)?.text ?? { type: "mrkdwn", text: message.text ?? "" };
  const line = words(first).split("\n")[0];
  return line.length > SHORT ? `${line.slice(0, SHORT)}…` : line;
}

export class Threads {
  #list;
  #input;
  #at = null;
  #shortcuts = [];
  #choose;

  /** The ts of the message that is replied to; null for a message of its own. */
  root = null;

  /** `list` is the MessageList; `choose(callback_id, ts)` runs a shortcut of a message, and gives a promise. */
  constructor(list, signal, choose) {
    this.#list = list;
    this.#choose = choose;
    const find = (id) => document.querySelector(id);
    [this.tools, this.#input, this.banner] = ["#message-tools", "#composer-input", "#composer-thread"].map(find);
    const [reply, more] = ["#reply", "#message-menu"].map(find);
    const messages = find("#messages");
    const on = (node, type, run) => node.addEventListener(type, run, { signal });
    for (const type of ["mouseover", "focusin"]) on(messages, type, (event) => this.#offer(event.target));
    on(find("#scroller"), "mouseleave", () => (this.tools.hidden = true));
    on(messages, "keydown", (event) => event.key === "t" && event.target.matches("article") && this.#begin(event));
    on(reply, "click", (event) => this.#begin(event));
    on(more, "click", () => this.#menu(more));
    on(this.banner.querySelector("button"), "click", () => this.leave());
    on(this.#input, "keydown", (event) => event.key === "Escape" && this.leave());
    this.leave();
  }

  /** The shortcuts that messages have. */
  offer(shortcuts) {
    this.#shortcuts = shortcuts;
  }

  #menu(trigger) {
    const { ts } = this.#at;
    const items = this.#shortcuts.map(({ name, description, callback_id }) => ({
      label: name,
      detail: description,
      run: () => this.#choose(callback_id, ts).catch((error) => toast(error.message, "error")),
    }));
    if (items.length > 0) openMenu(trigger, items, "Message shortcuts");
    else toast("No app offers a shortcut here.");
  }

  /** Write in the channel again. */
  leave() {
    this.root = null;
    this.banner.hidden = true;
    this.tools.hidden = true;
  }

  #offer(node) {
    this.#at = this.#list.messageAt(node);
    this.tools.hidden = this.#at === null;
    if (this.#at) this.tools.style.top = `${node.closest("article").offsetTop}px`;
  }

  #begin(event) {
    if (!this.#at) return;
    event.preventDefault();
    const root = this.#at.thread_ts ?? this.#at.ts;
    this.root = root;
    this.banner.firstElementChild.replaceChildren("Replying in the thread of ", h("strong", {}, beginning(this.#at)));
    this.banner.hidden = false;
    this.tools.hidden = true;
    this.#input.focus();
  }
}
