/** Slack's text objects as DOM: `plain_text` and `mrkdwn`. */

import { h } from "./dom.js";
import { emoji, withEmoji } from "./emoji.js";
import { followsClock, formatDate, names } from "./names.js";

/** The three entities Slack decodes; all others stay as written. */
export const decode = (text) => text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]);

/** What a person typed → message text: as in Slack's own client, typing `<!channel>` pings nobody. */
export const encode = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

/** A link that can be followed only when it is http, https or mailto; else just its text. */
export function link(url, label) {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return h("span", { class: "dead-link" }, label ?? url);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label ?? url);
}

const WHOLE = 32; // an id or a command fits on a line, a secret may break

/** Inline code. What is short stands on one line, as the next one has room for it. */
export function code(content) {
  const text = h("span", {}, content).textContent;
  return h("code", { class: text.length > WHOLE ? null : "unbroken" }, content);
}

/** The text of a command block: its lines break between words, never after the hyphens of an option. */
export function unbroken(text) {
  return text.split(/(\s+)/).flatMap((part, index) => {
    if (index % 2 === 1) return part;
    if (part.length > WHOLE) return part.split(/(?<=[.,;:=/])/).flatMap((piece) => [h("wbr"), piece]);
    return h("span", { class: "unbroken" }, part);
  });
}

/** A person, channel, group or broadcast, drawn so that nobody overlooks that it notifies people. */
export function mention(kind, text, isMe = false) {
  return h("span", { class: `mention ${kind}${isMe ? " me" : ""}`, dir: "auto" }, text);
}

export const userMention = (id) => mention("user", `@${names.user(id)}`, id === names.me);
export const channelMention = (id) => mention("channel", `#${names.channel(id)}`);
export const groupMention = (id) => mention("group", `@${names.group(id)}`);
export const broadcast = (range) => mention("ping", `@${range}`);

export function time(timestamp, format, fallback, url) {
  const text = formatDate(timestamp, format, fallback);
  const date = new Date(Number(timestamp) * 1000);
  if (Number.isNaN(date.getTime())) return h("span", {}, text);
  const node = h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, url ? link(url, text) : text);
  return followsClock(node, timestamp, format, fallback);
}

/** What stands between < and >. */
function angle(body) {
  const cut = body.indexOf("|");
  const [target, label] = cut < 0 ? [body, null] : [body.slice(0, cut), decode(body.slice(cut + 1))];
  if (/^@[UW]/.test(target)) return userMention(target.slice(1));
  if (/^#[CG]/.test(target)) return channelMention(target.slice(1));
  if (target.startsWith("!subteam^")) return groupMention(target.slice("!subteam^".length));
  if (target.startsWith("!date^")) {
    const [, timestamp, format, url] = target.split("^");
    return time(timestamp, format ?? "", label ?? "", url);
  }
  if (/^!(here|channel|everyone)$/.test(target)) return broadcast(target.slice(1));
  if (target.startsWith("!")) return label ?? `<${decode(body)}>`;
  if (!/^[a-z][a-z0-9+.-]*:/i.test(target)) return `<${decode(body)}>`;
  return link(decode(target), label);
}

// In the order in which they win at the same position. Styles open and close at word boundaries only.
const INLINE = new RegExp(
  [
    "`(?<code>[^`\\n]+)`",
    "<(?<angle>[^<>\\n]+)>",
    "(?<bare>https?://[^\\s<>|*]*[^\\s<>|*.,;:!?)\\]'\"])",
    ":(?<emoji>[a-z0-9_+-]+):",
    "(?<![\\p{L}\\p{N}*])\\*(?<bold>[^\\s*](?:[^*\\n]*[^\\s*])?)\\*(?![\\p{L}\\p{N}*])",
    "(?<![\\p{L}\\p{N}_])_(?<italic>[^\\s_](?:[^_\\n]*[^\\s_])?)_(?![\\p{L}\\p{N}_])",
    "(?<![\\p{L}\\p{N}~])~(?<strike>[^\\s~](?:[^~\\n]*[^\\s~])?)~(?![\\p{L}\\p{N}~])",
  ].join("|"),
  "gu",
);

const STYLES = { bold: "strong", italic: "em", strike: "s" };

function token(groups, verbatim) {
  if (groups.code !== undefined) return code(decode(groups.code));
  if (groups.angle !== undefined) return angle(groups.angle);
  if (groups.bare !== undefined) return verbatim ? decode(groups.bare) : link(decode(groups.bare));
  if (groups.emoji !== undefined) return emoji(groups.emoji) ?? `:${groups.emoji}:`;
  const style = Object.keys(STYLES).find((name) => groups[name] !== undefined);
  return h(STYLES[style], {}, inline(groups[style], verbatim));
}

function inline(text, verbatim) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(decode(text.slice(from, match.index)), token(match.groups, verbatim));
    from = match.index + match[0].length;
  }
  nodes.push(decode(text.slice(from)));
  return nodes;
}

const QUOTE = /^(?:>|&gt;) ?/;

function lines(text, verbatim) {
  const nodes = [];
  let quote = null;
  text.split("\n").forEach((line, index) => {
    if (QUOTE.test(line)) {
      const body = inline(line.replace(QUOTE, ""), verbatim);
      if (quote) quote.append("\n", ...body);
      else nodes.push((quote = h("blockquote", { dir: "auto" }, body)));
      return;
    }
    // A blockquote is a block already: the newline after it would show as an empty line.
    if (index > 0 && !quote) nodes.push("\n");
    quote = null;
    nodes.push(...inline(line, verbatim));
  });
  return nodes;
}

/** mrkdwn → nodes. `verbatim` leaves bare web addresses alone. */
export function mrkdwn(text, verbatim = false) {
  return text.split(/```([\s\S]+?)```/).flatMap((part, index) => {
    if (index % 2 === 1) return h("pre", { dir: "auto" }, unbroken(decode(part.replace(/^\n/, ""))));
    return part ? lines(part, verbatim) : [];
  });
}

/** The plain words of a text object, for labels and names. */
export function words(object) {
  if (!object) return "";
  if (object.type === "mrkdwn") return h("span", {}, mrkdwn(object.text)).textContent;
  return object.emoji === false ? object.text : withEmoji(object.text);
}

/** A text object → nodes. */
export function text(object) {
  return object.type === "mrkdwn" ? mrkdwn(object.text, object.verbatim) : [words(object)];
}
