/**
 * The page: choose a person, see what they see, do what they do. The address says who and where: `#U0DANA/C0GENERAL`,
 * and maybe at which message.
 */

import { SESSION, get, personApi } from "./api.js";
import { Surface } from "./blocks.js";
import { Composer } from "./composer.js";
import { h } from "./dom.js";
import { MessageList, announcement, stayAtTheEnd } from "./messages.js";
import { Modals } from "./modal.js";
import { encode } from "./mrkdwn.js";
import { names, redate } from "./names.js";
import { toast } from "./overlay.js";
import { startPanel } from "./panel.js";
import { Places, ReadMarks, fillPeople, personTitle, signOf, tellFolded } from "./sidebar.js";
import { Threads } from "./threads.js";

const $ = (selector) => document.querySelector(selector);
const HOME = "home";

/** One person at the screen, until another one is chosen. Nothing outlives that, ephemeral messages least of all. */
class Visit {
  #gone = new AbortController();
  #channels = [];
  #messages = new Map(); // channel id → Map(ts → message), ephemeral ones included
  #loaded = false;
  #early = [];
  #where = null; // a channel id, or HOME
  #at = null; // the ts of the message that the address names
  #bells = new Map(); // channel id → [ts] of the messages for which this person's Slack rang

  constructor(user, where, at) {
    this.user = user;
    this.#where = where;
    this.#at = at;
    this.#api = personApi(user);
    this.#marks = new ReadMarks(user);
    names.me = user;
    for (const id of ["#modals", "#messages", "#home", "#places", "#title", "#members", "#topic"])
      $(id).replaceChildren();
    for (const id of ["#composer", "#tabs"]) $(id).hidden = true;
    this.#places = new Places($("#places"));
    this.#list = new MessageList($("#messages"), this.#api);
    this.#modals = new Modals($("#modals"), this.#api, (open) => ($("#workspace").inert = open));
    $("#workspace").inert = false;
    const nodes = {
      input: $("#composer-input"),
      send: $("#composer-send"),
      bolt: $("#composer-bolt"),
      list: $("#composer-list"),
    };
    this.#composer = new Composer(
      nodes,
      {
        command: (text) => this.#command(text),
        message: (text) => this.#say(text),
        shortcut: (callbackId) => this.#api.shortcut({ callback_id: callbackId }),
      },
      this.#gone.signal,
    );
    const choose = (callback_id, ts) => this.#api.message_shortcut({ callback_id, ts, channel: this.#target() });
    this.#threads = new Threads(this.#list, this.#gone.signal, choose);
    this.#api.events(this.#gone.signal, {
      opened: () => this.#load(),
      lost: () => ($("#offline").hidden = false),
      event: (event) => (this.#loaded ? this.#apply(event) : this.#early.push(event)),
    });
  }

  #api;
  #marks;
  #list;
  #places;
  #modals;
  #composer;
  #threads;
  #homeSurface = null;

  leave() {
    this.#gone.abort();
    $("#toasts").replaceChildren(); // what one person is told is not the next one's
  }

  /** Go to a channel, and there to a message if `at` names one, or to the Home tab. */
  go(where, at) {
    this.#where = where;
    this.#at = at;
    this.#arrive();
  }

  /** Read everything, at the start and after each reconnection, then apply what happened while reading. */
  async #load() {
    let state;
    try {
      state = await this.#api.state();
    } catch (error) {
      if (!this.#gone.signal.aborted) toast(error.message, "error");
      return;
    }
    if (this.#gone.signal.aborted) return;
    $("#offline").hidden = true;
    this.#channels = state.channels;
    for (const channel of state.channels) names.addChannel(channel.id, channel.name);
    for (const group of state.usergroups ?? []) names.addGroup(group.id, group.handle);
    for (const { id } of state.channels) this.#replaceStored(id, state.messages[id] ?? []);
    this.#bells = new Map(Object.entries(state.bells));
    this.#composer.offer(state.commands, state.shortcuts);
    this.#threads.offer(state.message_shortcuts);
    this.#showHome(state.home);
    this.#modals.replace(state.views);
    this.#loaded = true;
    const early = this.#early;
    this.#early = [];
    for (const event of early) this.#apply(event);
    this.#arrive();
  }

  /** Stored messages are the server's; ephemeral ones exist only here. */
  #replaceStored(channel, messages) {
    const ephemeral = [...(this.#messages.get(channel)?.values() ?? [])].filter((message) => message.ephemeral);
    this.#messages.set(channel, new Map());
    for (const message of [...messages, ...ephemeral]) this.#put(channel, message);
  }

  #put(channel, message) {
    if (!this.#messages.has(channel)) this.#messages.set(channel, new Map());
    if (message.bot_id) {
      const name = message.username ?? message.bot_profile?.name ?? this.#dm()?.name ?? "App";
      for (const id of [message.bot_id, message.user]) names.addUser(id, name);
    }
    this.#messages.get(channel).set(message.ts, message);
  }

  #sorted(channel) {
    return [...(this.#messages.get(channel)?.values() ?? [])].sort((a, b) => Number(a.ts) - Number(b.ts));
  }

  #dm() {
    return this.#channels.find((channel) => channel.kind === "dm");
  }

  /** The channel that is written to: on the Home tab, the conversation with the app. */
  #target() {
    return this.#where === HOME ? this.#dm().id : this.#where;
  }

  /** Slack runs no app's commands in threads. */
  async #command(text) {
    if (this.#threads.root) throw new Error(`${text.split(" ", 1)[0]} is not supported in threads.`);
    await this.#api.command({ channel: this.#target(), text });
  }

  async #say(text) {
    await this.#api.message({ channel: this.#target(), text: encode(text), thread_ts: this.#threads.root });
    this.#threads.leave();
  }

  #apply(event) {
    const changes = {
      message: () => this.#arrived(event.channel, event.message, event.rings),
      ephemeral: () => this.#arrived(event.channel, { ...event.message, ephemeral: true }),
      message_changed: () => this.#put(event.channel, event.message),
      ephemeral_changed: () => this.#put(event.channel, { ...event.message, ephemeral: true }),
      message_deleted: () => this.#messages.get(event.channel)?.delete(event.ts),
      ephemeral_deleted: () => this.#messages.get(event.channel)?.delete(event.ts),
      view_opened: () => this.#modals.open(event.view),
      view_updated: () => this.#modals.update(event.view),
      view_closed: () => this.#modals.remove(event.view_id, Boolean(event.all)),
      home: () => this.#showHome(event.view),
      notice: () => toast(event.text, event.level),
    };
    changes[event.type]?.();
    this.#draw();
  }

  #arrived(channel, message, rings = false) {
    if (rings) this.#bells.set(channel, [...(this.#bells.get(channel) ?? []), message.ts]);
    if (!this.#channels.some((known) => known.id === channel)) this.#load(); // invited just now
    this.#put(channel, message);
    if (message.user !== this.user) $("#announcer").textContent = announcement(message);
  }

  #showHome(view) {
    const node = $("#home");
    if (!view) {
      node.replaceChildren(h("p", { class: "empty" }, "The app hasn’t published a Home tab for you yet."));
      this.#homeSurface = null;
      return;
    }
    if (!this.#homeSurface) node.replaceChildren();
    this.#home = view;
    this.#homeSurface ??= new Surface(node, {
      act: (action, state) => this.#api.action({ container: { type: "view", view_id: this.#home.id }, action, state }),
      suggest: (query, state) => this.#api.suggest({ view_id: this.#home.id, ...query, state }),
    });
    this.#homeSurface.update(view.blocks);
  }

  #home = null;

  #arrive() {
    if (!this.#loaded) return;
    this.#threads.leave();
    const known = this.#where === HOME ? this.#dm() : this.#channels.some((channel) => channel.id === this.#where);
    if (!known) this.#where = (this.#dm() ?? this.#channels[0])?.id ?? null;
    const atApp = this.#where === HOME || this.#where === this.#dm()?.id;
    const tab = this.#where === HOME ? "home" : "messages";
    if (atApp && this.#dm()) this.#api.home({ tab }).catch((error) => this.#complain(tab, error));
    this.#draw();
    if (this.#at) this.#list.point(this.#where, this.#at);
    this.#at = null;
  }

  /** Someone from another workspace has no Home, and is told so if they open it; anyone can read the messages. */
  #complain(tab, error) {
    if (tab === "home") toast(error.message, "error");
  }

  #draw() {
    if (this.#where === null) return;
    const channel = this.#channels.find((one) => one.id === this.#target());
    const [atHome, isDm] = [this.#where === HOME, channel.kind === "dm"];
    const messages = this.#sorted(channel.id);
    if (!atHome && messages.length > 0) this.#marks.read(channel.id, messages.at(-1).ts);
    $("#title").textContent = isDm ? channel.name : `${signOf(channel)} ${channel.name}`;
    $("#members").textContent = isDm ? "App" : `${channel.members} members`;
    $("#topic").textContent = channel.topic ?? "";
    this.#drawTabs(atHome, isDm);
    const opensHome = atHome && $("#home").hidden;
    $("#home").hidden = !atHome;
    $("#messages").hidden = atHome;
    if (opensHome) $("#scroller").scrollTop = 0; // messages had it at their end
    $("#composer").hidden = atHome;
    this.#composer.address(isDm ? `Message ${channel.name}` : `Message #${channel.name}`);
    if (!atHome) this.#list.show(channel.id, messages, "No messages yet.");
    const at = (one) => ({
      current: one.id === channel.id,
      unread: (atHome || one.id !== channel.id) && this.#marks.isUnread(one.id, this.#sorted(one.id)),
      rung: atHome || one.id !== channel.id ? this.#marks.rung(one.id, this.#bells.get(one.id) ?? []) : 0,
      go: () => navigate(this.user, one.id),
    });
    this.#places.show(this.#channels, at);
    tellFolded($("#rail-toggle"), this.#channels.map(at));
    redate(); // what was drawn a while ago may say another day
  }

  #drawTabs(atHome, visible) {
    $("#tabs").hidden = !visible;
    for (const [id, selected, where] of [
      ["#tab-home", atHome, HOME],
      ["#tab-messages", !atHome, this.#dm()?.id],
    ]) {
      $(id).setAttribute("aria-selected", String(selected));
      $(id).onclick = () => navigate(this.user, where);
    }
  }
}

let visit = null;

function navigate(user, where) {
  document.body.classList.remove("rail-open");
  location.hash = where ? `${user}/${where}` : user;
}

/** Make the page what the address says. */
function route(people) {
  const [wanted, where = null, at = null] = decodeURIComponent(location.hash.slice(1)).split("/");
  const named = wanted || visit?.user || localStorage.getItem("you"); // a permalink names nobody
  const person = people.find(({ id }) => id === named) ?? people.find(({ deleted }) => !deleted);
  localStorage.setItem("you", person.id);
  $("#you").value = person.id;
  $("#you-title").textContent = personTitle(person);
  document.title = `${person.name} · Slack sandbox`;
  if (visit?.user === person.id) {
    visit.go(where, at);
    return;
  }
  visit?.leave();
  visit = new Visit(person.id, where, at);
}

async function start() {
  const { people, workspace } = await get("/person");
  $("#workspace-name").textContent = workspace.name;
  for (const person of people) names.addUser(person.id, person.name);
  fillPeople($("#you"), people);
  $("#you").addEventListener("change", (event) => navigate(event.target.value));
  $("#rail-toggle").addEventListener("click", () => document.body.classList.toggle("rail-open"));
  window.addEventListener("hashchange", () => route(people));
  stayAtTheEnd($("#scroller"), $("#messages"));
  await startPanel();
  route(people);
}

document.documentElement.dataset.session = SESSION;
start().catch((error) => toast(error.message, "error"));
