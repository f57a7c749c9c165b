/** Block Kit → DOM, and `Surface`: the blocks of one message, modal or Home tab with what was typed into them. */

import { h, place, uid } from "./dom.js";
import { renderElement } from "./elements.js";
import { FormState, interactive } from "./formstate.js";
import { text, words } from "./mrkdwn.js";
import { toast } from "./overlay.js";
import { richText } from "./richtext.js";

const ALERT_SIGNS = { default: "ℹ", info: "ℹ", warning: "⚠", error: "⛔", success: "✔" };

const paragraph = (object, props = {}) => h("div", { class: "text", dir: "auto", ...props }, text(object));

function section(block, surface) {
  const { accessory } = block;
  return h(
    "div",
    { class: "section" },
    h(
      "div",
      { class: "section-main" },
      block.text && paragraph(block.text),
      block.fields &&
        h(
          "div",
          { class: "fields" },
          block.fields.map((field) => paragraph(field)),
        ),
    ),
    accessory && h("div", { class: "accessory" }, renderElement({ block, element: accessory, surface })),
  );
}

function context(block) {
  const item = (element) =>
    element.type === "image"
      ? h("img", { src: element.image_url, alt: element.alt_text })
      : h("span", { dir: "auto" }, text(element));
  return h("div", { class: "context" }, block.elements.map(item));
}

function input(block, surface) {
  const [id, labelId, hintId, errorId] = ["input", "label", "hint", "error"].map(uid);
  const grouped = ["radio_buttons", "checkboxes"].includes(block.element.type);
  const label = [words(block.label), block.optional && h("span", { class: "optional" }, " (optional)")];
  const use = {
    block,
    element: block.element,
    surface,
    id,
    labelId,
    describedby: block.hint ? `${hintId} ${errorId}` : errorId,
  };
  return h(
    "div",
    { class: "input" },
    grouped
      ? h("div", { id: labelId, class: "label", dir: "auto" }, label)
      : h("label", { id: labelId, class: "label", for: id, dir: "auto" }, label),
    renderElement(use),
    h("div", { id: errorId, class: "field-error", role: "alert", dir: "auto" }),
    block.hint && h("div", { id: hintId, class: "hint", dir: "auto" }, words(block.hint)),
  );
}

const actions = (block, surface) =>
  h(
    "div",
    { class: "actions" },
    block.elements.map((element) => renderElement({ block, element, surface })),
  );

function image(block) {
  const picture = h("img", { src: block.image_url, alt: block.alt_text });
  return h("figure", { class: "image" }, block.title && h("figcaption", { dir: "auto" }, words(block.title)), picture);
}

function alert(block) {
  const level = block.level ?? "default";
  return h(
    "div",
    { class: `alert ${level}`, role: "note" },
    h("span", { class: "sign", "aria-hidden": "true" }, ALERT_SIGNS[level]),
    paragraph(block.text),
  );
}

/** A cell is either words as they are, or rich text. */
const cell = (content) =>
  content.type === "rich_text" ? richText(content) : h("div", { class: "text", dir: "auto" }, content.text);

function table(block) {
  const setting = (column) => block.column_settings?.[column] ?? {};
  const row = (tag) => (cells) =>
    h(
      "tr",
      {},
      cells.map((content, column) =>
        h(
          tag,
          {
            class: `${setting(column).align ?? "left"}${setting(column).is_wrapped ? " wrapped" : ""}`,
            scope: tag === "th" ? "col" : null,
          },
          cell(content),
        ),
      ),
    );
  const [head, ...body] = block.rows;
  const grid = h("table", {}, h("thead", {}, row("th")(head)), h("tbody", {}, body.map(row("td"))));
  return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, grid);
}

const BLOCKS = {
  header: (block) => h("h3", { class: "header", dir: "auto" }, words(block.text)),
  section,
  context,
  divider: () => h("hr"),
  actions,
  context_actions: actions,
  table,
  rich_text: richText,
  input,
  image,
  alert,
};

function renderBlock(block, surface) {
  const render = BLOCKS[block.type];
  const node = h("div", { class: "block" });
  node.dataset.block = block.block_id ?? "";
  node.append(
    render ? render(block, surface) : h("p", { class: "unknown" }, `This page cannot draw the block “${block.type}”.`),
  );
  return node;
}

/** Why the value of an input block cannot be submitted, or null. Slack's client, too, checks this before sending. */
function problem(block, state) {
  const { min_length: least, max_length: most } = block.element;
  const value =
    state?.value ??
    state?.selected_option ??
    state?.selected_date ??
    state?.selected_time ??
    state?.selected_options ??
    null;
  if (!state) return null;
  if (value === null || value.length === 0) return block.optional ? null : "Please complete this required field.";
  const length = typeof value === "string" ? [...value].length : null;
  if (length !== null && least && length < least) return `Please enter at least ${least} characters.`;
  if (length !== null && most && length > most) return `Please enter no more than ${most} characters.`;
  return null;
}

export class Surface {
  state = new FormState();
  #blocks = [];
  #drawn = new Map();
  #calls;

  /** `calls`: {act(action, state), suggest({block_id, action_id, value}, state)}, both giving promises. */
  constructor(node, calls) {
    this.node = node;
    this.#calls = calls;
  }

  /** Show `blocks`. A block that did not change keeps its very node, so nobody is interrupted while typing. */
  update(blocks) {
    const focus = this.#focus();
    this.state.adopt(blocks);
    const drawn = new Map();
    blocks.forEach((block, index) => {
      const key = `${block.block_id ?? index} ${JSON.stringify(block)}`;
      drawn.set(key, this.#drawn.get(key) ?? renderBlock(block, this));
    });
    this.#blocks = blocks;
    this.#drawn = drawn;
    place(this.node, [...drawn.values()]);
    this.#refocus(focus);
  }

  act(action) {
    return this.#calls.act(action, this.state.payload());
  }

  suggest(query) {
    return this.#calls.suggest(query, this.state.payload());
  }

  complain(error) {
    toast(error.message, "error");
  }

  /** Whether anything in here can be filled in. */
  get hasInputs() {
    return interactive(this.#blocks).some(([block]) => block.type === "input");
  }

  /** The person changed this block: an error under it no longer describes what it says. */
  touched(blockId) {
    this.#showError(blockId, "");
  }

  /** Complain under every input that cannot be submitted; true when there is none. */
  validate() {
    const errors = {};
    for (const block of this.#blocks) {
      if (block.type !== "input") continue;
      const found = problem(block, this.state.get(block.block_id, block.element.action_id));
      if (found) errors[block.block_id] = found;
    }
    this.showErrors(errors);
    return Object.keys(errors).length === 0;
  }

  /** Show these {block_id: text}, clear all others, go to the first. Returns the texts that belong to no input here. */
  showErrors(errors) {
    const inputs = this.#blocks.filter((block) => block.type === "input").map((block) => block.block_id);
    for (const id of inputs) this.#showError(id, errors[id] ?? "");
    const first = inputs.find((id) => errors[id]);
    if (first) {
      this.#block(first).querySelector("[data-focus]")?.focus({ preventScroll: true });
      this.#block(first).scrollIntoView({ block: "nearest" });
    }
    return Object.keys(errors)
      .filter((id) => !inputs.includes(id))
      .map((id) => errors[id]);
  }

  #block(id) {
    return [...this.node.children].find((node) => node.dataset.block === id);
  }

  #showError(blockId, message) {
    const node = this.#block(blockId);
    const slot = node?.querySelector(".field-error");
    if (!slot || slot.textContent === message) return;
    slot.textContent = message;
    for (const field of node.querySelectorAll("[data-focus]")) {
      if (message) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }

  #focus() {
    const held = document.activeElement;
    const block = this.node.contains(held) ? held.closest(".block") : null;
    if (!block) return null;
    const index = [...block.querySelectorAll("[data-focus]")].indexOf(held);
    return {
      block: block.dataset.block,
      index,
      start: held.selectionStart ?? null,
      end: held.selectionEnd ?? null,
      isOpen: held.getAttribute("aria-expanded") === "true",
      held,
    };
  }

  #refocus(focus) {
    if (!focus || focus.held.isConnected) return;
    const next = this.#block(focus.block)?.querySelectorAll("[data-focus]")[focus.index];
    next?.focus();
    if (next && focus.start !== null && "setSelectionRange" in next) next.setSelectionRange(focus.start, focus.end);
    if (next && focus.isOpen) next.click(); // a menu that was opened before its field was drawn again stays open
  }
}
