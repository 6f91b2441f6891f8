// The fleet as slots: who is in each, how it is, and how it works.

import { ask } from "./actions.js";
import { byId, h, keyed, setAttribute, setText } from "./dom.js";
import { millis, moment, NOTHING, number, rate, rough } from "./format.js";
import { words } from "./language.js";
import { known, watch } from "./store.js";

/** Ages are written anew so often, whether or not anything changes. */
const AGE_MS = 1000;

/** States in which an instance can still be drained or replaced. */
const TAKES_ORDERS = ["starting", "standby", "serving"];

export function startFleet() {
  watch(["status", "slots"], show);
  setInterval(show, AGE_MS);
}

function show() {
  const { status } = known;
  if (status === null) return;
  setText(byId("tally"), words().tally(status));
  const firstBackend = status.slots.findIndex((row) => row.slot.startsWith("backend"));
  const rows = status.slots.map((row, index) => ({
    ...row,
    isFirstBackend: index === firstBackend,
  }));
  keyed(byId("slots"), rows, { key: (row) => `${row.slot}/${row.occupant?.id}`, create, update });
}

function create(row) {
  const part = {
    state: h("span"),
    mark: h("span", { class: "state" }, h("span", { class: "dot", "aria-hidden": "true" })),
    reason: h("span", { class: "reason" }),
    slot: h("span", { text: row.slot }),
    label: h("span", { class: "sub" }),
    cells: {},
  };
  part.mark.append(part.state);
  const cell = (name, css) => (part.cells[name] = h("td", { class: `part ${css}` }));
  part.drain = h("button", { type: "button", onclick: () => ask("drain", row.slot) });
  part.replace = h("button", { type: "button", onclick: () => ask("replace", row.slot) });
  part.root = h(
    "tr",
    {},
    h("th", { scope: "row", class: "part" }, part.slot, part.label),
    h("td", { class: "part states" }, part.mark, h("br"), part.reason),
    cell("address", "where mono"),
    cell("inFlight", "number"),
    cell("rate", "number"),
    cell("half", "number"),
    cell("most", "number"),
    cell("errors", "number"),
    cell("probe", "probe"),
    cell("generation", "number"),
    cell("age", "number"),
    h("td", { class: "part acts" }, part.drain, part.replace),
  );
  return part;
}

function update(part, row) {
  const say = words();
  const { slot, state, occupant, isFirstBackend } = row;
  setAttribute(part.root, "data-slot", slot);
  setAttribute(part.root, "data-state", state);
  setAttribute(part.root, "data-group", slot.replace(/-\d+$/, ""));
  setAttribute(part.root, "data-first", isFirstBackend ? "" : null);
  setAttribute(part.root, "data-tone", tone(row));
  setText(part.label, occupant?.label ?? "");
  setAttribute(part.mark, "data-state", state);
  setText(part.state, say.states[state] ?? state);
  part.reason.className = occupant?.cause === "ordered" ? "because" : "reason";
  setText(part.reason, occupant?.cause ? (say.causes[occupant.cause] ?? occupant.reason) : "");
  setAttribute(part.reason, "title", occupant?.reason);
  for (const [name, text] of Object.entries(texts(row))) {
    setText(part.cells[name], text);
    setAttribute(part.cells[name], "data-name", say[name]);
  }
  part.cells.probe.className = `part probe ${probeTone(occupant?.last_probe)}`;
  setAttribute(part.cells.age, "title", occupant ? moment(new Date(occupant.launched_at)) : null);
  updateActions(part, row);
}

function updateActions(part, { slot, state }) {
  const say = words();
  const canBeTold = TAKES_ORDERS.includes(state);
  const isOwned = known.status.ownership === "owned";
  setAttribute(part.drain, "hidden", canBeTold ? null : "");
  setAttribute(part.replace, "hidden", canBeTold && isOwned ? null : "");
  setText(part.drain, say.drain);
  setText(part.replace, say.replace);
  setAttribute(part.drain, "aria-label", say.drainSlot(slot));
  setAttribute(part.replace, "aria-label", say.replaceSlot(slot));
}

function tone({ state }) {
  if (state === "condemned" || state === "empty") return "wrong";
  return ["serving", "standby", "terminating"].includes(state) ? null : "busy";
}

function texts({ slot, state, occupant }) {
  const takesTraffic =
    ["serving", "outgoing", "draining"].includes(state) && !slot.startsWith("backend");
  const pace = takesTraffic ? known.slots[slot] : undefined;
  return {
    address: occupant?.address ?? NOTHING,
    inFlight: number(occupant?.in_flight),
    rate: rate(pace?.answers_per_second),
    half: millis(pace?.p50_ms),
    most: millis(pace?.p99_ms),
    errors: rate(pace?.errors_per_second),
    probe: probeText(occupant?.last_probe),
    generation: number(occupant?.generation),
    age: occupant ? rough((Date.now() - Date.parse(occupant.launched_at)) / 1000) : NOTHING,
  };
}

function probeText(probe) {
  if (!probe) return NOTHING;
  const isGarbled = probe.finding === "failed" && probe.status === null;
  const finding = isGarbled ? words().garbled : (words().findings[probe.finding] ?? probe.finding);
  const status = probe.status === null ? "" : ` ${probe.status}`;
  return `${finding}${status} · ${millis(probe.took_ms)}`;
}

function probeTone(probe) {
  if (!probe || probe.finding === "well") return "";
  return ["shedding", "leaving"].includes(probe.finding) ? "probe-warn" : "probe-bad";
}
