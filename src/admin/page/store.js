// All that is known, folded from the event stream. Whoever shows a part of it is told when that
// part changes.

import { read } from "./api.js";
import { listen } from "./stream.js";

/** As many incidents as the page keeps. */
const INCIDENTS_MAX = 200;

/** Steps of a second that the history has: a quarter of an hour. */
const SECONDS_MAX = 900;

/** The history's minutes are asked for again so often: the stream only tells of seconds. */
const HISTORY_MS = 60_000;

/** Without news for so long, what is shown may no longer be so. */
const STALE_MS = 3500;

export const known = {
  status: null,
  incidents: [],
  repairs: null,
  slots: {},
  second: null,
  history: null,
  settings: [],
  link: { state: "connecting", quiet: 0 },
};

const watchers = new Map();
let lastHeard = performance.now();
let historyRead = 0;

/** Calls `show` whenever one of these parts of what is known has changed. */
export function watch(parts, show) {
  for (const part of parts) watchers.set(part, [...(watchers.get(part) ?? []), show]);
}

function changed(...parts) {
  const shows = new Set(parts.flatMap((part) => watchers.get(part) ?? []));
  for (const show of shows) show();
}

/** Shows everything again: the words have changed. */
export const changedAll = () => changed(...watchers.keys());

/** Follows the server for ever. `refused` is called when it wants to see a token. */
export function follow({ refused }) {
  let isRefused = false;
  setInterval(judgeLink, 500);
  listen({
    heard: async (kind, data) => {
      lastHeard = performance.now();
      await take(kind, data);
      judgeLink();
    },
    broken: (status) => {
      // Once: who closes the question has answered it.
      if (status === 401 && !isRefused) refused();
      isRefused = status === 401;
    },
  });
}

async function take(kind, data) {
  if (kind === "opened" && !data.resumed) await readAll();
  if (kind === "status") {
    known.status = data;
    changed("status");
  }
  if (kind === "incident") await takeIncident(data);
  if (kind === "traffic") takeTraffic(data);
}

/** What came before the stream. Events that follow are about what came after. */
async function readAll() {
  const [status, timeline, history, settings] = await Promise.all([
    read("/v1/status"),
    read(`/v1/incidents?last=${INCIDENTS_MAX}`),
    read("/v1/history"),
    read("/v1/settings"),
  ]);
  Object.assign(known, { status, history, settings });
  takeTimeline(timeline);
  historyRead = performance.now();
  changed("status", "incidents", "history", "settings");
}

function takeTimeline({ incidents, repairs }) {
  known.incidents = incidents.reverse();
  known.repairs = repairs;
}

async function takeIncident(record) {
  const others = known.incidents.filter((incident) => incident.id !== record.id);
  const sorted = [record, ...others].sort((a, b) => b.id - a.id);
  known.incidents = sorted.slice(0, INCIDENTS_MAX);
  changed("incidents");
  if (record.outcome === "repaired") {
    known.repairs = (await read(`/v1/incidents?last=${INCIDENTS_MAX}`)).repairs;
    changed("incidents");
  }
}

function takeTraffic({ second, slots }) {
  Object.assign(known, { slots, second });
  if (second !== null && known.history !== null) append(known.history.seconds, second);
  if (performance.now() - historyRead > HISTORY_MS) readHistory();
  changed("slots", "second", "history");
}

async function readHistory() {
  historyRead = performance.now();
  known.history = await read("/v1/history").catch(() => known.history);
  changed("history");
}

/** Puts a second at the end of the columns; seconds that were missed are gaps. */
function append(period, second) {
  const columns = Object.entries(period).filter(([, column]) => Array.isArray(column));
  const length = period.requests.length;
  const index = Math.round(second.begins_at - period.begins_at);
  if (index < length) return;
  for (const [name, column] of columns) {
    while (column.length < Math.min(index, length + SECONDS_MAX)) column.push(null);
    column.push(second[name]);
    const surplus = column.length - SECONDS_MAX;
    if (surplus > 0) column.splice(0, surplus);
  }
  period.begins_at = second.begins_at - period.requests.length + 1;
}

function judgeLink() {
  const quiet = performance.now() - lastHeard;
  const state = known.status === null ? "connecting" : quiet < STALE_MS ? "live" : "stale";
  const seconds = Math.floor(quiet / 1000);
  if (state !== known.link.state || (state === "stale" && seconds !== known.link.quiet)) {
    known.link = { state, quiet: seconds };
    changed("link");
  }
}
