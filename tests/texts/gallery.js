/** The sandbox's page without a server: it draws any message, modal or Home with the renderers of the page itself. */

import { h } from "./dom.js";
import { MessageList } from "./messages.js";
import { Modals } from "./modal.js";
import { names, setClockOffset } from "./names.js";

const NO_ANSWER = new Promise(() => {});
const api = { act: () => NO_ANSWER, action: () => NO_ANSWER, suggest: () => NO_ANSWER, close: () => NO_ANSWER };
const main = document.querySelector("main");
const NARROW_PX = 760; // as in float.css
const SLACK = 1; // a rounded pixel
const WORD = /[\p{L}\p{N}]{2,20}(?![\p{L}\p{N}])/gu;

/** A message, as it stands in a channel. */
function message({ blocks }, at) {
  const node = h("div");
  const ts = `${at}.000100`;
  h("div", {}, node); // the list scrolls its parent
  new MessageList(node, api).show("C1", [{ ts, bot_id: "B1", user: "U0BOT", blocks }], "");
  node.querySelector(".day").remove();
  return node;
}

/** A modal, as wide as it is in the middle of the page, and as high as it wants to be. */
function modal({ blocks: view }) {
  const root = h("div");
  new Modals(root, api, () => {}).open({ id: "V1", ...view });
  const sheet = root.querySelector(".modal");
  sheet.style.maxHeight = "none";
  sheet.querySelector("header button").hidden = true;
  return h("div", { style: "padding: 16px" }, sheet);
}

/** The Home tab. */
function home({ blocks: view }, at) {
  const node = message({ blocks: view.blocks }, at).querySelector(".blocks");
  node.id = "home"; // its style is this id's
  return node;
}

const DRAW = { message, modal, home };

/** Show these one below the other, `{name, where, blocks}` each; returns how high each one is. */
export function show(drawings, at) {
  main.replaceChildren();
  Object.assign(main.style, { display: "block", overflow: "auto" });
  return drawings.map((each) => {
    const label = h("p", { style: "padding: 14px 20px 0; font: 11px monospace; color: var(--link)" }, each.name);
    const item = h("section", { "aria-label": each.name }, label, DRAW[each.where](each, at));
    main.append(item);
    return item.getBoundingClientRect().height;
  });
}

/** A name for a node that a reader finds again. */
const called = (node) =>
  `${node.closest("section").ariaLabel}: ${node.tagName.toLowerCase()}.${node.className}: ` +
  `${(node.textContent || node.value || "").slice(0, 60)}`;

/** Whatever leaves its place, is cut off or broken in the middle of a word, in all that is shown. */
export function cut() {
  const found = [];
  for (const section of main.children) {
    const edge = section.getBoundingClientRect().right + SLACK;
    for (const node of section.querySelectorAll("*")) {
      const { right, width } = node.getBoundingClientRect();
      if (width > 0 && right > edge && !node.parentElement.closest(".table"))
        found.push(`out of its place: ${called(node)}`);
      const hides = getComputedStyle(node).overflowX !== "visible" && !node.matches(".table");
      if (hides && node.scrollWidth > node.clientWidth + SLACK) found.push(`cut off: ${called(node)}`);
      if (node.className === "unknown") found.push(`unknown: ${called(node)}`);
    }
    for (const word of broken(section)) found.push(`broken: ${section.ariaLabel}: ${word}`);
  }
  return found;
}

/** The words that stand on more than one line, though a line would hold each of them. */
function* broken(section) {
  const walk = document.createTreeWalker(section, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walk.nextNode()) {
    const { currentNode: node } = walk;
    for (const { 0: word, index } of node.data.matchAll(WORD)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const tops = [...range.getClientRects()].map(({ top }) => Math.round(top));
      if (new Set(tops).size > 1) yield word;
    }
  }
}

/** The people and the app by name, and what time it is. */
export function know(people, now) {
  for (const [id, name] of people) names.addUser(id, name);
  names.addChannel("C0APPROVE", "key-approvals");
  names.me = people[0][0];
  setClockOffset(now - Date.now() / 1000);
  document.querySelector("#panel").remove();
  const fold = () => document.body.classList.toggle("folded", innerWidth <= NARROW_PX);
  addEventListener("resize", fold);
  fold();
  document.querySelector("#workspace-name").textContent = "Acme";
}
