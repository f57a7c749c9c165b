/** `rich_text` blocks: structure comes from the JSON, so nothing inside a text is ever parsed. */

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { broadcast, channelMention, code, groupMention, link, time, unbroken, userMention } from "./mrkdwn.js";

const tag = (name) => (inner) => h(name, {}, inner);
const STYLES = [
  ["code", code],
  ["bold", tag("strong")],
  ["italic", tag("em")],
  ["strike", tag("s")],
  ["underline", tag("u")],
];

function styled(node, style = {}) {
  return STYLES.reduce((inner, [name, draw]) => (style[name] ? draw(inner) : inner), node);
}

function emojiText(part) {
  if (part.unicode) return String.fromCodePoint(...part.unicode.split("-").map((code) => Number.parseInt(code, 16)));
  return emoji(part.name) ?? `:${part.name}:`;
}

function color(part) {
  const swatch = h("span", { class: "swatch" });
  swatch.style.backgroundColor = part.value;
  return h("span", {}, part.value, swatch);
}

const PARTS = {
  text: (part) => part.text,
  link: (part) => link(part.url, part.text),
  user: (part) => userMention(part.user_id),
  usergroup: (part) => groupMention(part.usergroup_id),
  channel: (part) => channelMention(part.channel_id),
  team: (part) => part.team_id,
  emoji: emojiText,
  date: (part) => time(part.timestamp, part.format, part.fallback, part.url),
  broadcast: (part) => broadcast(part.range),
  color,
};

const inline = (elements) =>
  elements.map((part) => (PARTS[part.type] ? styled(PARTS[part.type](part), part.style) : `[${part.type}]`));

function list(element) {
  const ordered = element.style === "ordered";
  const items = element.elements.map((item) => h("li", {}, h("div", { dir: "auto" }, inline(item.elements))));
  const start = ordered && element.offset ? String(element.offset + 1) : null;
  const classes = `rt-list indent-${Math.min(element.indent ?? 0, 8)}${element.border ? " bordered" : ""}`;
  return h(ordered ? "ol" : "ul", { class: classes, start }, items);
}

async function copy(button, content) {
  try {
    await navigator.clipboard.writeText(content);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function preformatted(element) {
  const parts = inline(element.elements).map((part) => (typeof part === "string" ? unbroken(part) : part));
  const body = h("pre", { dir: "auto", tabindex: "0" }, parts);
  const onclick = (event) => copy(event.currentTarget, body.textContent);
  return h("div", { class: "preformatted" }, body, h("button", { type: "button", class: "copy", onclick }, "Copy"));
}

const ELEMENTS = {
  rich_text_section: (element) => h("div", { class: "rt-section", dir: "auto" }, inline(element.elements)),
  rich_text_list: list,
  rich_text_quote: (element) =>
    h("blockquote", { dir: "auto", class: element.border ? "bordered" : null }, inline(element.elements)),
  rich_text_preformatted: preformatted,
};

/** A `rich_text` block → element. */
export function richText(block) {
  return h(
    "div",
    { class: "rich-text" },
    block.elements.map((element) => ELEMENTS[element.type]?.(element) ?? `[${element.type}]`),
  );
}
