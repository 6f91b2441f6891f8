// What failed, and when each step of its repair was taken.

import { byId, h, keyed, setAttribute, setText } from "./dom.js";
import { ago, millis, moment } from "./format.js";
import { words } from "./language.js";
import { known, watch } from "./store.js";
import { firstAwaited, standing, STEPS } from "./steps.js";

/** As many are shown at first: what happened this night. */
const SHOWN = 8;

/** How long ago they were is written anew so often. */
const AGO_MS = 5000;

let shownMax = SHOWN;

export function startIncidents() {
  watch(["incidents"], show);
  setInterval(show, AGO_MS);
  byId("older").addEventListener("click", () => {
    shownMax += 4 * SHOWN;
    show();
  });
}

function show() {
  if (known.status === null) return;
  const { incidents, repairs } = known;
  setAttribute(byId("no-incidents"), "hidden", incidents.length > 0 ? "" : null);
  setAttribute(byId("older"), "hidden", incidents.length > shownMax ? null : "");
  const times = repairs && {
    count: repairs.count,
    p50: millis(repairs.p50_ms),
    p99: millis(repairs.p99_ms),
  };
  setText(byId("repairs"), times ? words().repairs(times) : "");
  keyed(byId("incidents"), incidents.slice(0, shownMax), {
    key: (incident) => incident.id,
    create,
    update,
  });
}

function create(incident) {
  const part = {
    title: h("h3"),
    when: h("time", { datetime: incident.detected_at }),
    outcome: h("p", { class: "outcome" }),
    steps: h("ol", { class: "steps" }),
    evidence: h("p", { class: "evidence" }),
  };
  const head = h("div", { class: "incident-head" }, part.title, part.when, part.outcome);
  part.root = h(
    "li",
    { class: "incident", "data-incident": incident.id },
    head,
    part.steps,
    part.evidence,
  );
  return part;
}

function update(part, incident) {
  const say = words();
  const detected = new Date(incident.detected_at);
  setText(part.title, say.incidentTitle(incident.slot, incident.cause));
  setText(part.when, `${moment(detected)} · ${ago((Date.now() - detected) / 1000)}`);
  setText(part.outcome, say.outcomes[incident.outcome](millis(incident.over_ms)));
  setAttribute(part.outcome, "data-outcome", incident.outcome);
  setAttribute(part.root, "data-outcome", incident.outcome);
  const next = incident.outcome === "open" ? firstAwaited(incident) : null;
  const steps = STEPS.map((name) => ({ name, ...step(incident, name, next) }));
  const first = { name: "detected", step: "first", text: "0 ms" };
  keyed(part.steps, [first, ...steps], {
    key: ({ name }) => name,
    create: createStep,
    update: updateStep,
  });
  updateEvidence(part.evidence, incident);
}

function step(incident, name, next) {
  const say = words();
  const state = standing(incident, name);
  const text = state === "taken" ? millis(incident.steps_ms[name]) : say[state];
  return { step: name === next ? "next" : state, text };
}

function createStep() {
  const [name, when] = [h("span"), h("span", { class: "when" })];
  return { root: h("li", {}, name, when), name, when };
}

function updateStep(part, { name, step: state, text }) {
  setAttribute(part.root, "data-step", state);
  setText(part.name, words().steps[name]);
  setText(part.when, text);
}

function updateEvidence(element, { lost, successor, launches, evidence }) {
  const say = words();
  const parties = [`${say.lost}: ${lost.label}`];
  if (successor !== null) parties.push(`${say.successor}: ${successor.label}`);
  if (launches > 1) parties.push(say.launches(launches));
  setText(element, [...parties, ...evidence].join(" · "));
}
