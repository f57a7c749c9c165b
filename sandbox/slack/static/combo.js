/** One combobox for static, external and multi selects: type to filter, arrows and Enter, a listbox below. */

import { debounce, h, uid } from "./dom.js";
import { words } from "./mrkdwn.js";

const SUGGEST_DEBOUNCE_MS = 200;
const LIST_MAX_PX = 280;
const LIST_MIN_WIDTH_PX = 300; // a menu among buttons is narrower than what it offers

/**
 * `field`: {id, label, describedby, placeholder, multi, optional, max, minQuery, load, selected, change}.
 * `load(query)` gives (a promise of) `{options}` or `{option_groups}`; `minQuery` null means that everything is known
 * here and is filtered here. `selected()` lists the chosen options, `change(options)` is told the new choice.
 */
export function combo(field) {
  return new Combo(field).root;
}

class Combo {
  #field;
  #shown = [];
  #active = -1;
  #request = 0;
  #listening = null;

  constructor(field) {
    this.#field = field;
    const listId = uid("list");
    this.input = h("input", {
      id: field.id,
      type: "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: "false",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": listId,
      "aria-label": field.label,
      "aria-describedby": field.describedby,
      placeholder: field.placeholder,
      dir: "auto",
      "data-focus": true,
      onclick: () => this.open(),
      oninput: () => this.open(this.input.value),
      onkeydown: (event) => this.#key(event),
      onblur: () => this.close(),
      onfocus: () => this.input.select(),
    });
    this.list = h("div", {
      id: listId,
      role: "listbox",
      class: "options",
      "aria-multiselectable": field.multi ? "true" : null,
    });
    this.note = h("div", { class: "options-note", role: "status" });
    this.popup = h(
      "div",
      { class: "popup", hidden: true, onmousedown: (event) => event.preventDefault() },
      this.list,
      this.note,
    );
    this.chips = h("div", { class: "chips" });
    this.clear = h(
      "button",
      { type: "button", class: "clear", "aria-label": "Clear selection", onclick: () => this.#set([]) },
      "×",
    );
    this.root = h(
      "div",
      { class: `combo${field.multi ? " multi" : ""}` },
      this.chips,
      this.input,
      this.clear,
      this.popup,
    );
    this.#askLater =
      field.minQuery === null
        ? (query) => this.#ask(query)
        : debounce((query) => this.#ask(query), SUGGEST_DEBOUNCE_MS);
    this.#showSelection();
  }

  #askLater;

  get #isOpen() {
    return !this.popup.hidden;
  }

  /** Show the list for `query`; without one, everything. */
  open(query = "") {
    if (query === "" && this.#isOpen && this.input.value === this.#restingText()) return;
    this.popup.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#listening ??= this.#follow();
    const least = this.#field.minQuery ?? 0;
    if ([...query].length < least) {
      this.#request += 1;
      this.#show([], `Type ${least === 1 ? "a character" : `at least ${least} characters`} to search`);
      return;
    }
    if (this.#field.minQuery !== null) this.#show([], "Loading…");
    (query === "" ? (q) => this.#ask(q) : this.#askLater)(query);
  }

  close() {
    this.#request += 1;
    this.popup.hidden = true;
    this.list.replaceChildren();
    this.#shown = [];
    this.#active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.#listening?.abort();
    this.#listening = null;
    this.#showSelection();
  }

  /** Stay at the input while something scrolls; a fixed box is not clipped by the modal's own scrolling. */
  #follow() {
    const listening = new AbortController();
    const place = () => (this.root.isConnected ? this.#position() : this.close());
    for (const type of ["scroll", "resize"])
      window.addEventListener(type, place, { capture: true, signal: listening.signal });
    return listening;
  }

  #position() {
    const box = this.root.getBoundingClientRect();
    const below = window.innerHeight - box.bottom - 8;
    const up = below < Math.min(LIST_MAX_PX, this.popup.scrollHeight) && box.top > below;
    const style = this.popup.style;
    style.left = `${box.left}px`;
    const room = window.innerWidth - box.left - 8;
    style.width = `${Math.min(Math.max(box.width, LIST_MIN_WIDTH_PX), room)}px`;
    style.maxHeight = `${Math.min(LIST_MAX_PX, up ? box.top - 8 : below)}px`;
    style.top = up ? "auto" : `${box.bottom + 4}px`;
    style.bottom = up ? `${window.innerHeight - box.top + 4}px` : "auto";
  }

  async #ask(query) {
    if (!this.#isOpen) return; // chosen meanwhile from what was there
    this.#request += 1;
    const mine = this.#request;
    let answer;
    try {
      answer = this.#field.load(query);
      if (answer instanceof Promise) answer = await answer;
    } catch {
      answer = null;
    }
    if (mine !== this.#request || !this.#isOpen) return;
    if (!answer) return this.#show([], "Could not load the options");
    const groups = answer.option_groups ?? [{ label: null, options: answer.options ?? [] }];
    const local = this.#field.minQuery === null;
    const kept = local
      ? groups.map((group) => ({ ...group, options: group.options.filter((option) => matches(option, query)) }))
      : groups;
    const found = kept.filter((group) => group.options.length > 0);
    this.#show(found, found.length === 0 ? "No results" : "");
  }

  #show(groups, note) {
    this.#shown = [];
    this.#active = -1;
    this.list.replaceChildren(
      ...groups.map((group) => {
        const rows = group.options.map((option) => this.#row(option));
        if (!group.label) return h("div", { role: "presentation" }, rows);
        const label = words(group.label);
        return h(
          "div",
          { role: "group", "aria-label": label },
          h("div", { class: "group-label", dir: "auto" }, label),
          rows,
        );
      }),
    );
    this.note.textContent = note;
    this.note.hidden = note === "";
    this.#position();
    const chosen = this.#shown.findIndex((row) => row.getAttribute("aria-selected") === "true");
    if (this.#shown.length > 0) this.#activate(Math.max(chosen, 0));
  }

  #row(option) {
    const index = this.#shown.length;
    const chosen = this.#field.selected().some((other) => other.value === option.value);
    const detail = option.description ? words(option.description) : null;
    const row = h(
      "div",
      {
        id: uid("option"),
        role: "option",
        class: "option",
        dir: "auto",
        "aria-selected": String(chosen),
        "aria-description": detail,
        onclick: () => this.#choose(index),
        onmousemove: () => this.#activate(index, false),
      },
      h("span", {}, words(option.text)),
      detail && h("span", { class: "detail", dir: "auto", "aria-hidden": "true" }, detail), // said by aria-description
    );
    row.option = option;
    this.#shown.push(row);
    return row;
  }

  #activate(index, scroll = true) {
    this.#shown[this.#active]?.classList.remove("active");
    this.#active = index;
    const row = this.#shown[index];
    row.classList.add("active");
    this.input.setAttribute("aria-activedescendant", row.id);
    if (scroll) row.scrollIntoView({ block: "nearest" });
  }

  #choose(index) {
    const { option } = this.#shown[index];
    if (!this.#field.multi) {
      this.#set([option]);
      return this.close();
    }
    const before = this.#field.selected();
    const others = before.filter((other) => other.value !== option.value);
    if (others.length < before.length) this.#set(others);
    else if (before.length < (this.#field.max ?? Infinity)) this.#set([...before, option]);
    this.input.value = "";
    this.#shown[index].setAttribute("aria-selected", String(this.#field.selected().includes(option)));
  }

  #set(options) {
    const before = this.#field.selected().map((option) => option.value);
    const same = options.length === before.length && options.every((option) => before.includes(option.value));
    if (!same) this.#field.change(options);
    this.#showSelection();
    if (this.#isOpen) this.#position();
  }

  #restingText() {
    const [only] = this.#field.multi ? [] : this.#field.selected();
    return only ? words(only.text) : "";
  }

  #showSelection() {
    const selected = this.#field.selected();
    this.input.value = this.#restingText();
    this.clear.hidden = this.#field.multi || !this.#field.optional || selected.length === 0;
    if (!this.#field.multi) return;
    this.input.placeholder = selected.length > 0 ? "" : (this.#field.placeholder ?? "");
    const without = (option) => () => this.#set(this.#field.selected().filter((other) => other.value !== option.value));
    const cross = (option) =>
      h("button", { type: "button", "aria-label": `Remove ${words(option.text)}`, onclick: without(option) }, "×");
    this.chips.replaceChildren(
      ...selected.map((option) => h("span", { class: "chip", dir: "auto" }, words(option.text), cross(option))),
    );
  }

  #key(event) {
    const last = this.#shown.length - 1;
    const moves = {
      ArrowDown: this.#active >= last ? 0 : this.#active + 1,
      ArrowUp: this.#active <= 0 ? last : this.#active - 1,
    };
    if (event.key in moves) {
      event.preventDefault();
      if (!this.#isOpen) this.open();
      else if (last >= 0) this.#activate(moves[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault(); // never submits the form around it
      if (this.#isOpen && this.#active >= 0) this.#choose(this.#active);
      else this.open();
    } else if (event.key === "Escape" && this.#isOpen) {
      event.stopPropagation(); // closes the list, not the modal
      this.close();
    }
  }
}

function matches(option, query) {
  const haystack = `${words(option.text)} ${option.description ? words(option.description) : ""}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}
