/** Block elements: each renderer takes a `use` (see blocks.js) and gives a DOM node wired to the form state. */

import { combo } from "./combo.js";
import { debounce, h, uid } from "./dom.js";
import { text, words } from "./mrkdwn.js";
import { names } from "./names.js";
import { askConfirm, openMenu } from "./overlay.js";

const TYPING_DEBOUNCE_MS = 300;
const NEAR_THE_LIMIT = 0.8; // of the longest text: from there on, its length is shown

/**
 * Tell the bot about `extra` (a click or a new value), after the element's own confirm dialog. `busy` shows that we
 * wait for the answer; a second click meanwhile does nothing, as in Slack.
 */
async function act(use, extra, busy = null) {
  const { element, block, surface } = use;
  if (busy?.getAttribute("aria-busy") === "true") return;
  if (element.confirm && !(await askConfirm(element.confirm))) return;
  busy?.setAttribute("aria-busy", "true");
  busy?.classList.remove("failed");
  try {
    await surface.act({ type: element.type, action_id: element.action_id, block_id: block.block_id, ...extra });
  } catch (error) {
    busy?.classList.add("failed");
    surface.complain(error);
  } finally {
    busy?.removeAttribute("aria-busy");
  }
}

/** Remember a new value; also tell the bot, except for an input block that did not ask for it. */
function changed(use, change) {
  use.surface.state.set(use.block.block_id, use.element.action_id, change);
  use.surface.touched(use.block.block_id);
  if (use.block.type !== "input" || use.block.dispatch_action) act(use, change);
}

const NOTHING = { selected_option: null, selected_options: [] }; // of a field that was just taken away
const current = (use) => use.surface.state.get(use.block.block_id, use.element.action_id) ?? NOTHING;
const nameOf = (use) =>
  use.element.accessibility_label ?? (use.labelId ? null : words(use.element.placeholder) || null);

function button(use) {
  const { element } = use;
  if (element.visible_to_user_ids && !element.visible_to_user_ids.includes(names.me)) return null;
  const extra = { text: element.text };
  if (element.value !== undefined) extra.value = element.value;
  if (element.style) extra.style = element.style;
  const onclick = (event) => {
    if (element.url) window.open(element.url, "_blank", "noopener,noreferrer");
    act(use, extra, event.currentTarget);
  };
  const props = {
    type: "button",
    class: `btn ${element.style ?? ""}`,
    "aria-label": element.accessibility_label,
    dir: "auto",
    "data-focus": true,
    onclick,
  };
  return h("button", props, words(element.text));
}

const ICONS = { trash: "🗑" };

function iconButton(use) {
  const { element } = use;
  if (element.visible_to_user_ids && !element.visible_to_user_ids.includes(names.me)) return null;
  const extra = element.value === undefined ? {} : { value: element.value };
  const name = words(element.text);
  const props = {
    type: "button",
    class: "btn small",
    "aria-label": element.accessibility_label ?? name,
    title: name,
    "data-focus": true,
    onclick: (event) => act(use, extra, event.currentTarget),
  };
  return h("button", props, ICONS[element.icon] ?? name);
}

function feedbackButtons(use) {
  const one = (choice) =>
    h(
      "button",
      {
        type: "button",
        class: "btn small",
        "aria-label": choice.accessibility_label,
        dir: "auto",
        "data-focus": true,
        onclick: (event) => act(use, { value: choice.value }, event.currentTarget),
      },
      words(choice.text),
    );
  return h("span", { class: "feedback" }, one(use.element.positive_button), one(use.element.negative_button));
}

function overflow(use) {
  const { element } = use;
  const pick = (option, trigger) => {
    if (option.url) window.open(option.url, "_blank", "noopener,noreferrer");
    act(use, { selected_option: option }, trigger);
  };
  const onclick = ({ currentTarget: trigger }) => {
    const items = element.options.map((option) => ({
      label: words(option.text),
      detail: words(option.description),
      run: () => pick(option, trigger),
    }));
    openMenu(trigger, items, "More actions");
  };
  const label = element.accessibility_label ?? "More actions";
  return h(
    "button",
    {
      type: "button",
      class: "btn overflow",
      "aria-haspopup": "menu",
      "aria-label": label,
      "data-focus": true,
      onclick,
    },
    "⋯",
  );
}

const select = (multi, external) => (use) => {
  const { element } = use;
  return combo({
    id: use.id,
    label: nameOf(use),
    describedby: use.describedby,
    placeholder: words(element.placeholder) || "Select an item",
    multi,
    optional: use.block.optional,
    max: element.max_selected_items,
    minQuery: external ? (element.min_query_length ?? 3) : null,
    load: external
      ? (query) => use.surface.suggest({ block_id: use.block.block_id, action_id: element.action_id, value: query })
      : () => (element.option_groups ? { option_groups: element.option_groups } : { options: element.options }),
    selected: () => (multi ? current(use).selected_options : [current(use).selected_option].filter(Boolean)),
    change: (options) => changed(use, multi ? { selected_options: options } : { selected_option: options[0] ?? null }),
  });
};

const choices = (kind) => (use) => {
  const { element } = use;
  const group = uid("choice");
  const chosen = () =>
    kind === "radio" ? [current(use).selected_option].filter(Boolean) : current(use).selected_options;
  const onchange = (option) => (event) => {
    if (kind === "radio") return changed(use, { selected_option: option });
    const picked = (other) =>
      other.value === option.value ? event.target.checked : chosen().some((one) => one.value === other.value);
    return changed(use, { selected_options: element.options.filter(picked) });
  };
  const rows = element.options.map((option) => {
    const [id, detail] = [uid("option"), uid("detail")];
    const checked = chosen().some((other) => other.value === option.value);
    const described = option.description ? detail : null;
    return h(
      "div",
      { class: "choice" },
      h("input", {
        id,
        type: kind,
        name: group,
        checked,
        "aria-describedby": described,
        "data-focus": true,
        onchange: onchange(option),
      }),
      h(
        "div",
        {},
        h("label", { for: id, dir: "auto" }, text(option.text)),
        option.description && h("div", { id: detail, class: "detail", dir: "auto" }, text(option.description)),
      ),
    );
  });
  const role = kind === "radio" ? "radiogroup" : "group";
  return h(
    "div",
    {
      role,
      class: "choices",
      "aria-labelledby": use.labelId,
      "aria-describedby": use.describedby,
      "aria-label": nameOf(use),
    },
    rows,
  );
};

function counter(use, input) {
  const { min_length: least, max_length: most } = use.element;
  if (!least && !most) return null;
  const node = h("span", { class: "counter" });
  const near = (most ?? Infinity) * NEAR_THE_LIMIT;
  const count = () => {
    const length = [...input.value].length;
    const isWrong = (most && length > most) || (length > 0 && length < (least ?? 0));
    node.textContent = most ? `${length} / ${most}` : `${length} (at least ${least})`;
    node.hidden = !isWrong && length < near;
    node.classList.toggle("over", Boolean(isWrong));
  };
  input.addEventListener("input", count);
  count();
  return node;
}

function typedInput(use, type) {
  const { element, block } = use;
  const triggers = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const value = () => (input.value === "" ? null : input.value);
  const dispatch = () => act(use, { value: value() });
  const dispatchLater = debounce(() => input.isConnected && dispatch(), TYPING_DEBOUNCE_MS);
  const oninput = () => {
    use.surface.state.set(block.block_id, element.action_id, { value: value() });
    use.surface.touched(block.block_id);
    if (block.dispatch_action && triggers.includes("on_character_entered")) dispatchLater();
  };
  const onkeydown = (event) => {
    if (event.key !== "Enter" || event.isComposing || (element.multiline && !event.metaKey && !event.ctrlKey)) return;
    if (block.dispatch_action && triggers.includes("on_enter_pressed")) {
      event.preventDefault();
      dispatch();
    }
  };
  const props = {
    id: use.id,
    dir: "auto",
    placeholder: words(element.placeholder) || null,
    "aria-label": nameOf(use),
    "aria-describedby": use.describedby,
    value: current(use).value ?? "",
    autocomplete: "off",
    "data-focus": true,
    oninput,
    onkeydown,
  };
  const input = element.multiline ? h("textarea", { ...props, rows: "4" }) : h("input", { ...props, type });
  const count = counter(use, input);
  return count ? h("div", { class: "counted" }, input, count) : input;
}

const picker = (type, key) => (use) =>
  h("input", {
    id: use.id,
    type,
    value: current(use)[key] ?? "",
    "aria-label": nameOf(use),
    "aria-describedby": use.describedby,
    "data-focus": true,
    onchange: (event) => changed(use, { [key]: event.target.value || null }),
  });

const image = ({ element }) => h("img", { class: "thumb", src: element.image_url, alt: element.alt_text });

const RENDERERS = {
  button,
  icon_button: iconButton,
  feedback_buttons: feedbackButtons,
  overflow,
  static_select: select(false, false),
  external_select: select(false, true),
  multi_static_select: select(true, false),
  multi_external_select: select(true, true),
  radio_buttons: choices("radio"),
  checkboxes: choices("checkbox"),
  plain_text_input: (use) => typedInput(use, "text"),
  email_text_input: (use) => typedInput(use, "email"),
  url_text_input: (use) => typedInput(use, "url"),
  number_input: (use) => typedInput(use, "text"),
  datepicker: picker("date", "selected_date"),
  timepicker: picker("time", "selected_time"),
  image,
};

/**
 * One element → node, or null when this person must not see it.
 * `use`: {block, element, surface, id?, labelId?, describedby?}.
 */
export function renderElement(use) {
  const render = RENDERERS[use.element.type];
  if (!render) return h("span", { class: "unknown" }, `This page cannot draw the element “${use.element.type}”.`);
  const node = render(use);
  if (node && use.element.action_id) node.dataset.action = use.element.action_id;
  return node;
}
