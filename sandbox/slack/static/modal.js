/** The stack of modals. Only the top one is shown and live; those below keep what was typed. */

import { Surface } from "./blocks.js";
import { h, trapTab } from "./dom.js";
import { words } from "./mrkdwn.js";
import { toast } from "./overlay.js";

const TROUBLE = "We had some trouble connecting. Try again?";

export class Modals {
  #root;
  #api;
  #onChange;
  #stack = [];
  #returnTo = null;

  /** `onChange(open)` is told whether a modal is in front, to make the page behind it inert. */
  constructor(root, api, onChange) {
    this.#root = root;
    this.#api = api;
    this.#onChange = onChange;
  }

  /** A view that was opened or pushed. One that stands on no other begins a new stack. */
  open(view) {
    let sheet = this.#stack.find((other) => other.view.id === view.id);
    if (!sheet) {
      if (!view.previous_view_id) this.#stack = [];
      if (this.#stack.length === 0) this.#returnTo = document.activeElement;
      sheet = new Sheet(view.id, this.#api, (all) => this.#close(sheet, all));
      this.#stack.push(sheet);
    }
    sheet.update(view);
    this.#arrange(sheet);
  }

  /** A new version of a view; one that was closed meanwhile stays closed. */
  update(view) {
    if (this.#stack.some((sheet) => sheet.view.id === view.id)) this.open(view);
  }

  /** Take views away: one by id with everything above it, or all. */
  remove(viewId, all = false) {
    const index = all ? 0 : this.#stack.findIndex((sheet) => sheet.view.id === viewId);
    if (index < 0) return;
    this.#stack.splice(index);
    this.#arrange(null);
  }

  /** Show exactly these views, e.g. after a reconnection. */
  replace(views) {
    const ids = views.map((view) => view.id);
    this.#stack = this.#stack.filter((sheet) => ids.includes(sheet.view.id));
    for (const view of views) this.open(view);
    this.#arrange(null);
  }

  async #close(sheet, all) {
    const everything = all || Boolean(sheet.view.clear_on_close);
    const id = sheet.view.id;
    this.remove(id, everything);
    await this.#api.close({ view_id: id, all: everything }).catch((error) => toast(error.message, "error"));
  }

  #arrange(changed) {
    const top = this.#stack.at(-1);
    const wasFront = top && top.node.isConnected && !top.node.hidden;
    for (const child of [...this.#root.children])
      if (child.dataset.view && !this.#stack.some((sheet) => sheet.node === child)) child.remove();
    for (const sheet of this.#stack) {
      if (!sheet.node.isConnected) this.#root.append(sheet.node);
      sheet.node.hidden = sheet !== top;
      sheet.showBack(this.#stack.length > 1);
    }
    this.#onChange(this.#stack.length > 0);
    if (!top) {
      if (this.#returnTo?.isConnected) this.#returnTo.focus();
      this.#returnTo = null;
    } else if (!wasFront || (changed === top && (top.hadNoField || !top.node.contains(document.activeElement)))) {
      top.focus();
    }
  }
}

class Sheet {
  view = {};
  #api;
  #close;
  #surface;
  #stopgap = null; // what has the focus for want of a field, as on a page that is still being loaded

  constructor(viewId, api, close) {
    this.#api = api;
    this.#close = close;
    this.title = h("h2", { dir: "auto" });
    this.body = h("div", { class: "modal-body" });
    this.error = h("div", { class: "modal-error", role: "alert" });
    this.back = h("button", { type: "button", class: "icon", "aria-label": "Back", onclick: () => close(false) }, "‹");
    const cross = h(
      "button",
      { type: "button", class: "icon", "aria-label": "Close", onclick: () => close(true) },
      "✕",
    );
    this.cancel = h("button", { type: "button", class: "btn", onclick: () => close(false) });
    this.submit = h("button", { type: "submit", class: "btn primary" });
    this.form = h(
      "form",
      { class: "modal", role: "dialog", "aria-modal": "true", tabindex: "-1", novalidate: true, autocomplete: "off" },
      h("header", {}, this.back, this.title, cross),
      this.body,
      this.error,
      h("footer", {}, this.cancel, this.submit),
    );
    this.form.addEventListener("submit", (event) => this.#send(event));
    this.form.addEventListener("keydown", (event) => this.#key(event));
    this.node = h("div", { class: "shade" }, this.form);
    this.node.dataset.view = viewId;
    const container = { type: "view", view_id: viewId };
    this.#surface = new Surface(this.body, {
      act: (action, state) => api.action({ container, action, state }),
      suggest: (query, state) => api.suggest({ view_id: viewId, ...query, state }),
    });
  }

  update(view) {
    this.view = view;
    this.title.textContent = words(view.title);
    this.form.setAttribute("aria-label", words(view.title));
    this.cancel.textContent = words(view.close) || (view.submit ? "Cancel" : "Close");
    this.submit.textContent = words(view.submit) || "Submit";
    this.#surface.update(view.blocks);
    this.submit.hidden = !view.submit && !this.#surface.hasInputs;
    this.error.textContent = "";
  }

  showBack(visible) {
    this.back.hidden = !visible;
  }

  /** Whether the focus still is where we put it when there was no field, so that a field may have it now. */
  get hadNoField() {
    return this.#stopgap !== null && this.#stopgap === document.activeElement;
  }

  focus() {
    const wanted = this.view.blocks.find((block) => block.element?.focus_on_load);
    const block = wanted && [...this.body.children].find((node) => node.dataset.block === wanted.block_id);
    const first = (block ?? this.body).querySelector("[data-focus]:not(button)");
    const field = first?.closest(".choices")?.querySelector(":checked") ?? first;
    const target = field ?? this.form; // never a button: one Enter too many must not do anything
    this.#stopgap = field ? null : target;
    target.focus({ preventScroll: true });
    block?.scrollIntoView({ block: "nearest" });
  }

  complain(message) {
    this.error.textContent = message;
  }

  #key(event) {
    trapTab(event, this.form);
    if (event.key === "Escape") this.#close(false);
  }

  async #send(event) {
    event.preventDefault();
    if (this.submit.hidden || this.submit.getAttribute("aria-busy") === "true") return;
    this.complain("");
    if (!this.#surface.validate()) return;
    this.submit.setAttribute("aria-busy", "true");
    try {
      const { errors } = await this.#api.submit({ view_id: this.view.id, state: this.#surface.state.payload() });
      const stray = errors ? this.#surface.showErrors(errors) : [];
      if (stray.length > 0) this.complain(TROUBLE);
    } catch (error) {
      this.complain(error.status === 0 || error.status >= 500 ? TROUBLE : error.message);
    } finally {
      this.submit.removeAttribute("aria-busy");
    }
  }
}
