/** The left rail: whom you are, and where you can go. */

import { h } from "./dom.js";

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

function entry(channel, { current, unread, go }) {
  const sign = channel.kind === "dm" ? "◆" : "#";
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: unread ? "place unread" : "place",
        "aria-current": current ? "page" : null,
        "aria-label": unread ? `${channel.name} (unread)` : channel.name,
        onclick: go,
      },
      h("span", { class: "sign", "aria-hidden": "true" }, sign),
      h("span", { class: "name", dir: "auto" }, channel.name),
      unread && h("span", { class: "dot" }),
    ),
  );
}

/** Draw the list of conversations. `at(channel)` gives {current, unread, go}. */
export function drawPlaces(nav, channels, at) {
  const part = (title, kind) => {
    const found = channels.filter((channel) => channel.kind === kind);
    return (
      found.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, title),
        h(
          "ul",
          {},
          found.map((channel) => entry(channel, at(channel))),
        ),
      )
    );
  };
  nav.replaceChildren(...[part("Channels", "channel"), part("Apps", "dm")].filter(Boolean));
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

  isUnread(channel, messages) {
    const last = messages.findLast((message) => message.user !== this.#user);
    return Boolean(last) && last.ts > (this.#seen[channel] ?? "");
  }
}
