/** The left rail: whom you are, and where you can go. */

import { h, place } from "./dom.js";

/** What a person is, in words: title, and whether they are a guest or gone. */
export function personTitle(person) {
  const marks = [person.is_guest && "guest", person.deleted && "deactivated"].filter(Boolean);
  return [person.title, ...marks.filter((mark) => !person.title?.toLowerCase().includes(mark))]
    .filter(Boolean)
    .join(", ");
}

/** Fill the “You are” switcher. */
export function fillPeople(select, people) {
  select.replaceChildren(
    ...people.map((person) => h("option", { value: person.id }, `${person.name}, ${personTitle(person)}`)),
  );
}

/** What stands before the name of a conversation: a lock tells that a channel is private, as in Slack. */
export function signOf(channel) {
  if (channel.kind === "dm") return "◆";
  return channel.is_private ? "🔒" : "#";
}

/** Where the list is folded away, the button that unfolds it tells what is new; `places` as for `Places.show`. */
export function tellFolded(toggle, places) {
  const rung = places.reduce((sum, each) => sum + each.rung, 0);
  const unread = places.some((each) => each.unread);
  if (rung > 0 || unread) toggle.dataset.news = rung > 0 ? rung : "";
  else delete toggle.dataset.news;
  toggle.ariaLabel = rung > 0 ? `Conversations (${rung} new)` : `Conversations${unread ? " (unread)" : ""}`;
}

/** One conversation of the list, drawn once and then changed in place: a button replaced under the mouse loses its click. */
function entry(channel) {
  const name = h("span", { class: "name", dir: "auto" });
  const bells = h("span", { class: "bells", "aria-hidden": "true" });
  const sign = h("span", { class: "sign", "aria-hidden": "true" }, signOf(channel));
  const button = h("button", { type: "button" }, sign, name, bells);
  const node = h("li", {}, button);
  const update = (channel, { current, unread, rung, go }) => {
    name.textContent = channel.name;
    bells.textContent = rung > 0 ? rung : "";
    bells.hidden = rung === 0;
    button.className = unread ? "place unread" : "place";
    button.ariaCurrent = current ? "page" : null;
    button.ariaLabel = rung > 0 ? `${channel.name} (${rung} new)` : channel.name + (unread ? " (unread)" : "");
    button.onclick = go;
  };
  return { node, update };
}

/** The list of conversations of one person. */
export class Places {
  #nav;
  #entries = new Map();
  #parts;

  constructor(nav) {
    this.#nav = nav;
    this.#parts = [part("Channels", "channel"), part("Apps", "dm")];
  }

  /** Show these. `at(channel)` gives {current, unread, rung, go}. */
  show(channels, at) {
    for (const { list, kind } of this.#parts) {
      const found = channels.filter((channel) => channel.kind === kind);
      place(
        list,
        found.map((channel) => this.#drawn(channel, at(channel))),
      );
    }
    place(
      this.#nav,
      this.#parts.filter(({ list }) => list.children.length > 0).map(({ section }) => section),
    );
  }

  #drawn(channel, how) {
    if (!this.#entries.has(channel.id)) this.#entries.set(channel.id, entry(channel));
    const { node, update } = this.#entries.get(channel.id);
    update(channel, how);
    return node;
  }
}

function part(title, kind) {
  const list = h("ul");
  return { kind, list, section: h("section", {}, h("h2", {}, title), list) };
}

const seenKey = (user) => `seen ${user}`;

/** What a person has read, per channel: the last ts. Lives as long as the browser tab. */
export class ReadMarks {
  #user;
  #seen;

  constructor(user) {
    this.#user = user;
    this.#seen = JSON.parse(sessionStorage.getItem(seenKey(user)) ?? "{}");
  }

  read(channel, ts) {
    this.#seen[channel] = ts;
    sessionStorage.setItem(seenKey(this.#user), JSON.stringify(this.#seen));
  }

  /** How many of the messages that rang, by ts, are not read yet. */
  rung(channel, bells) {
    return bells.filter((ts) => ts > (this.#seen[channel] ?? "")).length;
  }

  isUnread(channel, messages) {
    const last = messages.findLast((message) => message.user !== this.#user);
    return Boolean(last) && last.ts > (this.#seen[channel] ?? "");
  }
}
