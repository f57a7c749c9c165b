/** The message list of one conversation. */

import { Surface } from "./blocks.js";
import { h, place } from "./dom.js";
import { mrkdwn } from "./mrkdwn.js";
import { followsClock, formatDate, names } from "./names.js";

const NEAR_BOTTOM_PX = 120;
const POINTED_MS = 2500;

/** A stable colour per id, so that people are told apart at a glance. */
function avatar(id, name, isApp) {
  const initials = name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0] ?? "")
    .join("");
  const node = h("div", { class: `avatar${isApp ? " app" : ""}`, "aria-hidden": "true" }, initials.toUpperCase());
  const hue = [...id].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  node.style.setProperty("--hue", hue);
  return node;
}

const authorOf = (message) => message.user ?? message.bot_id ?? "";
const authorName = (message) => message.username ?? names.user(authorOf(message));

/** What a screen reader is told about a new message. */
export const announcement = (message) =>
  `${authorName(message)}: ${h("div", {}, mrkdwn(message.text ?? "")).textContent.slice(0, 200)}`;

/**
 * Keep the newest message in view when the page gets narrower or a picture loads, unless the reader scrolled up to read.
 * `scroller` holds the list of messages, and the Home tab in its place.
 */
export function stayAtTheEnd(scroller, list) {
  let atEnd = true;
  scroller.addEventListener("scroll", () => {
    if (!list.hidden) atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_BOTTOM_PX;
  });
  const resized = new ResizeObserver(() => {
    if (!list.hidden && atEnd) scroller.scrollTop = scroller.scrollHeight;
  });
  for (const node of [scroller, list]) resized.observe(node);
}

export class MessageList {
  #node;
  #api;
  #messages = [];
  #drawn = new Map();
  #channel = null;

  constructor(node, api) {
    this.#node = node;
    this.#api = api;
  }

  /** The stored message that a node is of or in, to reply to; null where there is none. */
  messageAt(node) {
    const article = node.closest?.("article:not(.ephemeral)");
    return (article && this.#messages.find(({ ts }) => ts === article.dataset.ts)) || null;
  }

  /**
   * Show the messages of a channel, oldest first, or `hint` when there are none. Stays at the bottom if it was there,
   * and goes there when the channel changes or something new is only visible to you: it answers your own click.
   */
  show(channel, messages, hint) {
    const scroller = this.#node.parentElement;
    const atBottom = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_BOTTOM_PX;
    const last = messages.at(-1);
    const isAnswer = Boolean(last?.ephemeral) && !this.#drawn.has(`${channel} ${last.ts}`);
    const follow = atBottom || isAnswer || channel !== this.#channel;
    this.#channel = channel;
    this.#messages = messages;
    const rows = messages.length > 0 ? this.#rows(channel, messages) : [h("p", { class: "empty", dir: "auto" }, hint)];
    place(this.#node, rows);
    if (follow) scroller.scrollTop = scroller.scrollHeight;
  }

  /** Bring a message into view, and say which one it is. */
  point(channel, ts) {
    const node = this.#drawn.get(`${channel} ${ts}`)?.node;
    if (!node?.isConnected) return;
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
    node.classList.add("pointed");
    setTimeout(() => node.classList.remove("pointed"), POINTED_MS);
  }

  /** Replies stand below their message. Those to a message that is gone stand nowhere, as in Slack. */
  #rows(channel, messages) {
    const rows = [];
    let day = "";
    const inThread = (message) => message.thread_ts && message.thread_ts !== message.ts;
    for (const message of messages) {
      if (inThread(message) && message.subtype !== "thread_broadcast") continue;
      const date = new Date(Number(message.ts) * 1000).toDateString();
      if (date !== day) rows.push(this.#divider(channel, date, message.ts));
      day = date;
      rows.push(this.#article(channel, message));
      const replies = messages.filter((other) => inThread(other) && other.thread_ts === message.ts);
      if (replies.length > 0) rows.push(this.#thread(channel, message, replies));
    }
    return rows;
  }

  #thread(channel, root, replies) {
    const key = `${channel} thread ${root.ts}`;
    if (!this.#drawn.has(key)) this.#drawn.set(key, { node: h("div", { class: "thread", role: "group" }) });
    const { node } = this.#drawn.get(key);
    node.ariaLabel = replies.length === 1 ? "1 reply" : `${replies.length} replies`;
    const own = replies.filter((reply) => reply.subtype !== "thread_broadcast");
    place(
      node,
      own.map((reply) => this.#article(channel, reply)),
    );
    return node;
  }

  #divider(channel, date, ts) {
    const key = `${channel} ${date}`;
    if (!this.#drawn.has(key)) {
      const words = followsClock(h("span"), ts, "{day_divider_pretty}", date);
      this.#drawn.set(key, { node: h("div", { class: "day", role: "separator" }, words) });
    }
    return this.#drawn.get(key).node;
  }

  #article(channel, message) {
    const key = `${channel} ${message.ts}`;
    let drawn = this.#drawn.get(key);
    if (drawn?.message === message) return drawn.node;
    if (!drawn) {
      drawn = this.#frame(channel, message);
      this.#drawn.set(key, drawn);
    }
    drawn.message = message;
    drawn.edited.textContent = message.edited ? "(edited)" : "";
    drawn.plain.replaceChildren(...(message.blocks?.length ? [] : mrkdwn(message.text ?? "")));
    drawn.surface.update(message.blocks ?? []);
    return drawn.node;
  }

  #frame(channel, message) {
    const [name, isApp] = [authorName(message), Boolean(message.bot_id)];
    const clock = formatDate(message.ts, "{time}", "");
    const at = new Date(Number(message.ts) * 1000);
    const plain = h("div", { class: "text", dir: "auto" });
    const body = h("div", { class: "blocks" });
    const edited = h("span", { class: "edited" });
    const head = h(
      "div",
      { class: "byline" },
      h("span", { class: "author", dir: "auto" }, name),
      isApp && h("span", { class: "badge" }, "App"),
      h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, clock),
      edited,
    );
    const also =
      message.subtype === "thread_broadcast" && h("div", { class: "only-you" }, "Replied to a thread in this channel");
    const only = message.ephemeral && h("div", { class: "only-you" }, "Only visible to you");
    const node = h(
      "article",
      { class: message.ephemeral ? "message ephemeral" : "message", "aria-label": `${name}, ${clock}`, tabindex: "-1" },
      avatar(authorOf(message), name, isApp),
      h("div", { class: "message-main" }, only, also, head, plain, body),
    );
    node.dataset.ts = message.ts;
    const container = { type: "message", channel, ts: message.ts, ephemeral: Boolean(message.ephemeral) };
    const surface = new Surface(body, {
      act: (action, state) => this.#api.action({ container, action, state }),
      suggest: (query, state) => this.#api.suggest({ container, ...query, state }),
    });
    return { node, plain, edited, surface, message: null };
  }
}
