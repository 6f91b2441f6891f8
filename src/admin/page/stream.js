// The event stream, read by hand: the browser's own reader cannot send the token in a header.
// After a break it asks for what it has missed.

import { credentials } from "./api.js";

/** Between two tries. */
const PAUSE_MS = 1000;

/** The server says something every second: after so long a silence the connection is dead. */
const SILENCE_MS = 8000;

/** Calls `heard(kind, data)` for every event, in order, and `broken(status)` after each break. */
export async function listen({ heard, broken }) {
  let last = null;
  for (;;) {
    let status = null;
    try {
      const missed = last === null ? {} : { "Last-Event-ID": last };
      const silence = new AbortController();
      const headers = { ...credentials(), ...missed, Accept: "text/event-stream" };
      const answer = await fetch("/v1/events", { headers, signal: silence.signal });
      status = answer.status;
      if (answer.ok) {
        for await (const event of events(answer.body, silence)) {
          await heard(event.kind, JSON.parse(event.data));
          last = event.id ?? last;
        }
      }
    } catch {
      // Whatever broke, it is tried again.
    }
    broken(status);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function* events(body, silence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = parse(block);
      if (event.data !== null) yield event;
    }
  }
}

function parse(block) {
  const event = { kind: "message", id: null, data: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "event") event.kind = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data = event.data === null ? value : `${event.data}\n${value}`;
  }
  return event;
}
