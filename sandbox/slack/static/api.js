/**
 * The sandbox's person API. Every request carries `X-Sandbox: 1`, which a page of another origin cannot send, so no
 * other site open in the same browser can click on a person's behalf.
 */

const HEADERS = { "X-Sandbox": "1" };
const RECONNECT_MS = 1000;

/** One page load is one client of Slack: ephemeral messages go to it and die with it. */
export const SESSION = crypto.randomUUID();

/** An answer other than 2xx, or none at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(method, path, body, keepalive = false) {
  const init = { method, headers: { ...HEADERS }, keepalive };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, "The sandbox isn't responding. Is it still running?");
  }
  const text = await response.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    data = { error: text };
  }
  if (!response.ok) throw new ApiError(response.status, data.error ?? data.detail ?? `HTTP ${response.status}`);
  return data;
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body);

/** As `post`, and it arrives even when the page goes away right after it. */
const lastPost = (path, body) => request("POST", path, body, true);

/** What person `user` can do, as functions that take the request body. */
export function personApi(user) {
  const base = `/person/${encodeURIComponent(user)}`;
  const send =
    (verb) =>
    (body = {}) =>
      post(`${base}/${verb}`, { session: SESSION, ...body });
  return {
    state: () => get(`${base}/state?session=${SESSION}`),
    command: send("command"),
    message: send("message"),
    action: send("action"),
    suggest: send("suggest"),
    submit: send("submit"),
    close: (body) => lastPost(`${base}/close`, { session: SESSION, ...body }),
    shortcut: send("shortcut"),
    message_shortcut: send("message_shortcut"),
    home: send("home"),
    events: (signal, handlers) => listen(`${base}/events?session=${SESSION}`, signal, handlers),
  };
}

/**
 * Read server-sent events until `signal` aborts, reconnecting for ever. EventSource cannot send our header, hence
 * fetch. `opened` is called at every (re)connection and `lost` when one ends; `event` gets each parsed event.
 */
async function listen(path, signal, { opened, lost, event }) {
  while (!signal.aborted) {
    try {
      const response = await fetch(path, { headers: { ...HEADERS, Accept: "text/event-stream" }, signal });
      if (!response.ok) throw new ApiError(response.status, `HTTP ${response.status}`);
      opened();
      await readEvents(response.body, event);
    } catch (error) {
      if (signal.aborted) return;
      console.info("event stream ended:", error.message);
    }
    if (signal.aborted) return;
    lost();
    await new Promise((resume) => setTimeout(resume, RECONNECT_MS));
  }
}

async function readEvents(body, handle) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (pending + value.replaceAll("\r\n", "\n")).split("\n\n");
    pending = frames.pop();
    for (const frame of frames) {
      const lines = frame.split("\n").filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5).trimStart()).join("\n");
      if (data) handle(JSON.parse(data));
    }
  }
}
