/** Replying in a thread: a button at the message under the mouse or with the focus, and the box at the bottom. */

import { h } from "./dom.js";
import { words } from "./mrkdwn.js";

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

  /** The ts of the message that is replied to; null for a message of its own. */
  root = null;

  /** `list` is the MessageList. */
  constructor(list, signal) {
    this.#list = list;
    const find = (id) => document.querySelector(id);
    [this.button, this.#input, this.banner] = ["#reply", "#composer-input", "#composer-thread"].map(find);
    const messages = find("#messages");
    const on = (node, type, run) => node.addEventListener(type, run, { signal });
    for (const type of ["mouseover", "focusin"]) on(messages, type, (event) => this.#offer(event.target));
    on(find("#scroller"), "mouseleave", () => (this.button.hidden = true));
    on(messages, "keydown", (event) => event.key === "t" && event.target.matches("article") && this.#begin(event));
    on(this.button, "click", (event) => this.#begin(event));
    on(this.banner.querySelector("button"), "click", () => this.leave());
    on(this.#input, "keydown", (event) => event.key === "Escape" && this.leave());
    this.leave();
  }

  /** Write in the channel again. */
  leave() {
    this.root = null;
    this.banner.hidden = true;
    this.button.hidden = true;
  }

  #offer(node) {
    this.#at = this.#list.messageAt(node);
    this.button.hidden = this.#at === null;
    if (this.#at) this.button.style.top = `${node.closest("article").offsetTop}px`;
  }

  #begin(event) {
    if (!this.#at) return;
    event.preventDefault();
    const root = this.#at.thread_ts ?? this.#at.ts;
    this.root = root;
    this.banner.firstElementChild.replaceChildren("Replying in the thread of ", h("strong", {}, beginning(this.#at)));
    this.banner.hidden = false;
    this.button.hidden = true;
    this.#input.focus();
  }
}
