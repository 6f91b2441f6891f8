// The first thing to read: how it is, what is wrong, what was done about it, what it waits for.

import { byId, h, keyed, setAttribute, setText } from "./dom.js";
import { ago, millis, rate, span } from "./format.js";
import { words } from "./language.js";
import { known, watch } from "./store.js";
import { firstAwaited, lastTaken } from "./steps.js";

/** More than so many lines are no help to who was just woken up. */
const LINES_MAX = 4;

/** A repair that is older than this is told of no more. */
const RECENT_SECONDS = 24 * 3600;

export function startHeadline() {
  watch(["status", "incidents"], show);
  watch(["second"], showFigures);
}

function showFigures() {
  const { second } = known;
  if (second === null) return;
  const errors = second.answers_5xx;
  const answers = second.answers_2xx + second.answers_3xx + second.answers_4xx + errors;
  setText(byId("figure-rate"), rate(answers));
  setText(byId("figure-most"), millis(second.p99_ms));
  setText(byId("figure-errors"), rate(errors));
  setAttribute(byId("figure-errors"), "data-tone", errors > 0 ? "wrong" : null);
}

function show() {
  const { status } = known;
  if (status === null) return;
  const { tone, text } = verdict(status);
  setAttribute(byId("headline"), "data-tone", tone);
  setText(byId("headline-text"), text);
  setText(byId("headline-where"), words().where(status));
  document.title = tone === "calm" ? "CloudAPS" : `● ${text} · CloudAPS`;
  lines(byId("wrong"), wrong(status), "tone-bad");
  lines(byId("done"), done(), "tone-good");
  lines(byId("waits"), waits(status), "tone-warn");
}

function verdict(status) {
  const { instances, backend, operation, holds } = status;
  const say = words();
  if (holds.some((hold) => hold.kind === "unlisted")) return { tone: "unknown", text: say.unknown };
  if (operation === "stopping") return { tone: "busy", text: say.stopping };
  if (backend.desired > 0 && backend.serving === 0) return { tone: "wrong", text: say.backendDown };
  if (instances.desired > 0 && instances.serving === 0)
    return { tone: "wrong", text: say.noneServes };
  if (instances.serving < instances.desired) {
    const isFailure = failures().length > 0 || holds.length > 0;
    return {
      tone: isFailure ? "wrong" : "busy",
      text: say.someServe(instances.serving, instances.desired),
    };
  }
  if (operation === "paused") return { tone: "busy", text: say.paused };
  const replaced = status.slots.find((row) => row.state === "outgoing" || row.state === "draining");
  if (replaced !== undefined) return { tone: "busy", text: say.replacing(replaced.slot) };
  if (status.slots.some((row) => row.state !== "serving" && row.state !== "standby")) {
    return { tone: "busy", text: say.resizing };
  }
  return { tone: "calm", text: instances.desired === 0 ? say.noneWanted : say.allServe };
}

const openIncidents = () => known.incidents.filter((incident) => incident.outcome === "open");

const failures = () => openIncidents().filter((incident) => incident.cause !== "ordered");

function wrong(status) {
  const failed = failures();
  const told = failed.map(({ id, slot, cause }) => ({
    key: `incident-${id}`,
    text: words().incidentTitle(slot, cause),
  }));
  const isTold = (row) => failed.some((incident) => incident.slot === row.slot);
  const rows = status.slots.filter(
    (row) => ["condemned", "empty"].includes(row.state) && !isTold(row),
  );
  const slots = rows.map(({ slot, state, occupant }) => ({
    key: `slot-${slot}-${occupant?.id}`,
    text: occupant?.cause
      ? words().incidentTitle(slot, occupant.cause)
      : `${slot}: ${words().states[state]}`,
  }));
  return [...told, ...slots];
}

function done() {
  const open = openIncidents().map((incident) => {
    const step = lastTaken(incident);
    return { key: incident.id, text: words().underway[step](incident.slot) };
  });
  if (open.length > 0) return open;
  const last = known.incidents.find((incident) =>
    ["repaired", "ordered", "recovered"].includes(incident.outcome),
  );
  if (last === undefined) return [];
  const seconds = (Date.now() - Date.parse(last.detected_at)) / 1000;
  if (seconds > RECENT_SECONDS) return [];
  const [took, when] = [millis(last.over_ms), ago(seconds)];
  const text = {
    repaired: () => words().lastRepair(last.slot, took, when),
    ordered: () => words().lastOrder(last.slot, took, when),
    recovered: () => words().lastRecovery(last.slot, when),
  }[last.outcome]();
  return [{ key: last.id, text }];
}

function waits(status) {
  const holds = status.holds.map((hold) => ({
    key: [hold.kind, hold.slot, hold.group, hold.instance].join(),
    text: holdText(hold),
  }));
  const isHeld = ({ slot }) => status.holds.some((hold) => hold.slot === slot);
  const steps = openIncidents()
    .filter((incident) => !isHeld(incident))
    .map((incident) => ({
      key: `incident-${incident.id}`,
      text: words().awaits[firstAwaited(incident)](incident.slot),
    }));
  // What both the end of the old one and the launch of the new one wait for is one thing.
  return [...new Map([...holds, ...steps].map((line) => [line.key, line])).values()];
}

function holdText(hold) {
  if (hold.kind === "slow_probes") return words().slowProbes(hold);
  const seconds = hold.ends_in_seconds;
  const time = seconds === null ? "" : words().in(span(Math.ceil(seconds)));
  return words().holds[hold.kind]?.(hold, time) ?? hold.text;
}

/** Some lines, and how many there are besides; or that there is nothing. */
function lines(container, items, tone) {
  const shown = items.slice(0, LINES_MAX);
  if (items.length > LINES_MAX) shown.push({ key: "more", text: `+ ${items.length - LINES_MAX}` });
  if (items.length === 0) shown.push({ key: "nothing", text: words().nothing });
  keyed(container, shown, {
    key: (line) => line.key,
    create: () => ({ root: h("p") }),
    update: ({ root }, line) => {
      root.className = line.key === "nothing" ? "nothing" : tone;
      setText(root, line.text);
    },
  });
}
