/** What floats above the page: menus, confirm dialogs and toasts. */

import { h, trapTab, uid } from "./dom.js";
import { text, words } from "./mrkdwn.js";

const TOAST_MS = 8000;

/** A menu under `trigger` of {label, detail?, run}. It closes on a choice, Escape, Tab or a click elsewhere. */
export function openMenu(trigger, items, label) {
  const listening = new AbortController();
  const close = (refocus) => {
    listening.abort();
    menu.remove();
    trigger.setAttribute("aria-expanded", "false");
    if (refocus) trigger.focus();
  };
  const buttons = items.map((item) =>
    h(
      "button",
      {
        type: "button",
        role: "menuitem",
        tabIndex: -1,
        dir: "auto",
        "aria-label": item.label,
        onclick: () => (close(true), item.run()),
      },
      h("span", {}, item.label),
      item.detail && h("span", { class: "detail" }, item.detail),
    ),
  );
  const move = (step) => {
    const index = buttons.indexOf(document.activeElement);
    buttons[(index + step + buttons.length) % buttons.length]?.focus();
  };
  const onkeydown = (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) move(steps[event.key]);
    else if (event.key === "Escape") close(true);
    else if (event.key === "Tab") return close(false);
    else return undefined;
    event.preventDefault();
    return event.stopPropagation();
  };
  const menu = h("div", { role: "menu", class: "menu", "aria-label": label, onkeydown }, buttons);
  trigger.after(menu);
  trigger.setAttribute("aria-expanded", "true");
  placeMenu(menu, trigger);
  const outside = (event) => !menu.contains(event.target) && !trigger.contains(event.target) && close(false);
  document.addEventListener("mousedown", outside, { signal: listening.signal });
  // A second press on the trigger closes the menu instead of opening another one.
  trigger.addEventListener("click", (event) => (event.stopImmediatePropagation(), close(true)), {
    signal: listening.signal,
    capture: true,
  });
  buttons[0]?.focus();
}

function placeMenu(menu, trigger) {
  const at = trigger.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const below = window.innerHeight - at.bottom > size.height + 8;
  menu.style.top = `${Math.max(8, below ? at.bottom + 4 : at.top - size.height - 4)}px`;
  menu.style.left = `${Math.max(8, Math.min(at.left, window.innerWidth - size.width - 8))}px`;
}

/** Slack's confirmation dialog object, asked; resolves to whether the person agreed. */
export function askConfirm(confirm) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const done = (agreed) => {
      shade.remove();
      before?.focus();
      resolve(agreed);
    };
    const deny = h(
      "button",
      { type: "button", class: "btn", onclick: () => done(false) },
      words(confirm.deny) || "Cancel",
    );
    const style = confirm.style === "danger" ? "danger" : "primary";
    const agree = h(
      "button",
      { type: "button", class: `btn ${style}`, onclick: () => done(true) },
      words(confirm.confirm) || "Yes",
    );
    const [title, body] = [words(confirm.title), uid("confirm")];
    const onkeydown = (event) => {
      trapTab(event, dialog);
      if (event.key !== "Escape") return;
      event.stopPropagation();
      done(false);
    };
    const dialog = h(
      "div",
      {
        class: "modal small",
        role: "dialog",
        "aria-modal": "true",
        "aria-label": title,
        "aria-describedby": body,
        onkeydown,
      },
      h("header", {}, h("h2", { dir: "auto" }, title)),
      h("div", { id: body, class: "modal-body", dir: "auto" }, text(confirm.text)),
      h("footer", {}, deny, agree),
    );
    const shade = h("div", { class: "shade front" }, dialog);
    document.querySelector("#modals").append(shade);
    (style === "danger" ? deny : agree).focus(); // one Enter too many must not delete anything
  });
}

/** A line at the bottom for a while; errors stay twice as long. `level` is info, warning or error. */
export function toast(message, level = "info") {
  const dismiss = () => node.remove();
  const node = h(
    "div",
    { class: `toast ${level}`, role: level === "error" ? "alert" : "status" },
    h("span", { dir: "auto" }, message),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: dismiss }, "×"),
  );
  document.querySelector("#toasts").append(node);
  setTimeout(dismiss, level === "error" ? 2 * TOAST_MS : TOAST_MS);
}
