// The page in English.

const many = (count, one, more) => `${count} ${count === 1 ? one : more}`;

const causes = {
  gone: "its process ended",
  refused: "refuses connections",
  unresponsive: "does not answer its health check",
  unhealthy: "its health check fails",
  flapping: "is well and unwell by turns",
  reclaimed: "its machine is about to be taken",
  never_served: "did not serve in time",
  surplus: "is one too many",
  duplicate: "its slot is filled by another",
  revenant: "was replaced, and came back",
  ordered: "ordered by the operator",
  shutdown: "everything is being stopped",
};

const holds = {
  unlisted: () => "the provider's first list",
  paused: (hold) => `${hold.slot}: paused by the operator`,
  frozen: (hold, time) =>
    `new ${hold.group}s failed alike (${hold.cause}): launches are frozen, one is tried ${time}`,
  on_trial: (hold) => `${hold.slot}: how the one on trial does`,
  budget: (hold, time) => `${hold.slot}: too many replacements; the next ${time}`,
  limit: (hold) => `${hold.slot}: room, as many machines exist as may`,
  fenced: (hold) => `${hold.slot}: the old one is not known to be gone (${hold.instance})`,
  shaken: (hold) => `${hold.group}s: most are well and unwell by turns, so none is to blame`,
  shedding: (hold) => `${hold.group}: all answer 503 when asked, as a successor would`,
  awaits_successor: (hold) => `${hold.instance}: until its successor serves`,
};

export default {
  name: "English",
  tools: "Page",
  skip: "Skip to the fleet",
  connecting: "connecting",
  live: "live",
  stale: (seconds) => `stale for ${seconds} s; trying again`,
  themes: { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" },
  signIn: "Sign in",
  signOut: "Sign out",
  tokenIs:
    "The token is in the file admin.token of the state directory. It is kept in this tab only.",
  token: "Token",
  cancel: "Cancel",
  wrongToken: "This is not the token of this server.",
  unreachable: "The server does not answer.",

  wrong: "What is wrong",
  done: "What was done",
  waits: "What it waits for",
  nothing: "Nothing.",
  allServe: "Everything serves",
  noneWanted: "No instance is wanted",
  paused: "Paused: nothing is launched or ended",
  stopping: "Everything is being stopped",
  unknown: "The fleet is not known yet",
  someServe: (serving, desired) => `${serving} of ${desired} instances serve`,
  noneServes: "No instance serves",
  backendDown: "The backend is down",
  replacing: (slot) => `${slot} is being replaced`,
  resizing: "The fleet changes its size",
  where: (status) => `Balancer ${status.balancer}`,
  lastRepair: (slot, took, ago) => `${slot} was repaired in ${took}, ${ago}`,
  lastOrder: (slot, took, ago) => `${slot} was replaced by order in ${took}, ${ago}`,
  lastRecovery: (slot, ago) => `${slot} recovered by itself, ${ago}`,
  underway: {
    detected: (slot) => `${slot}: the failure was noticed`,
    ejected: (slot) => `${slot}: taken out of the traffic`,
    launch_sent: (slot) => `${slot}: a successor was asked for`,
    running: (slot) => `${slot}: the successor runs`,
    port_open: (slot) => `${slot}: the successor's port is open`,
    first_2xx: (slot) => `${slot}: the successor answers`,
    serving: (slot) => `${slot}: serves again`,
  },
  awaits: {
    ejected: (slot) => `${slot}: the verdict`,
    launch_sent: (slot) => `${slot}: the launch of a successor`,
    running: (slot) => `${slot}: the successor's start`,
    port_open: (slot) => `${slot}: the successor's port`,
    first_2xx: (slot) => `${slot}: the successor's first good answer`,
    serving: (slot) => `${slot}: traffic for the successor`,
  },

  fleet: "Fleet",
  tally: (status) => {
    const parts = [`${status.instances.serving} of ${status.instances.desired} serve`];
    if (status.standby.desired > 0)
      parts.push(`${status.standby.ready} of ${status.standby.desired} stand by`);
    if (status.backend.desired > 0)
      parts.push(status.backend.serving > 0 ? "the backend serves" : "the backend is down");
    return parts.join(" · ");
  },
  instances: "Instances",
  backends: "Backends",
  group: "What to scale",
  howMany: "How many",
  fewer: "One fewer",
  more: "One more",
  scale: "Scale",
  pause: "Pause",
  resume: "Resume",
  slot: "Slot",
  state: "State",
  address: "Address",
  inFlight: "In flight",
  rate: "Req/s",
  errors: "Errors/s",
  probe: "Last probe",
  generation: "Gen.",
  age: "Age",
  actions: "Actions",
  drain: "Drain",
  replace: "Replace",
  drainSlot: (slot) => `Drain ${slot}`,
  replaceSlot: (slot) => `Replace ${slot}`,
  backend: "backend",
  states: {
    starting: "starting",
    standby: "standing by",
    serving: "serving",
    outgoing: "to be replaced",
    condemned: "failed",
    draining: "draining",
    terminating: "ending",
    empty: "empty",
  },
  findings: {
    well: "well",
    leaving: "leaving",
    shedding: "overloaded",
    refused: "refused",
    timed_out: "no answer",
    failed: "answered",
  },
  garbled: "not understood",

  traffic: "Traffic",
  quarter: "15 minutes",
  day: "24 hours",
  requestsByClass: "Answers a second, by class",
  latency: "Time to first byte",
  trouble: "Retries, holds and ejections a second",
  time: "Time",
  half: "p50",
  most: "p99",
  retries: "retries",
  held: "held",
  ejections: "ejections",
  requestWords: (rate, errors) =>
    `In the last step ${rate} answers a second, of which ${errors} of class 5xx.`,
  latencyWords: (half, most) => `In the last step p50 ${half}, p99 ${most}.`,
  troubleWords: (retries, held, ejections) =>
    `In the time shown ${retries} retries, ${held} requests held, ${ejections} ejections.`,

  incidents: "Incidents",
  noIncidents: "Nothing has failed since the records begin.",
  older: "Show older ones",
  repairs: (repairs) =>
    `${many(repairs.count, "repair", "repairs")} · p50 ${repairs.p50}, p99 ${repairs.p99}`,
  causes,
  incidentTitle: (slot, cause) =>
    `${slot} ${causes[cause]?.startsWith("its ") ? "· " : ""}${causes[cause] ?? cause}`,
  outcomes: {
    open: () => "under repair",
    repaired: (took) => `repaired in ${took}`,
    ordered: (took) => `replaced in ${took}`,
    recovered: (took) => `recovered by itself after ${took}`,
    unwanted: () => "given up: scaled down",
    stopped: () => "given up: everything was stopped",
  },
  steps: {
    detected: "noticed",
    ejected: "out of traffic",
    launch_sent: "launch sent",
    running: "running",
    port_open: "port open",
    first_2xx: "first good answer",
    serving: "serving",
  },
  awaited: "awaited",
  skipped: "not needed",
  unseen: "unseen",
  lost: "lost",
  successor: "successor",
  launches: (count) => many(count, "launch", "launches"),

  holds,
  slowProbes: (hold) => hold.text,
  in: (time) => `in ${time}`,
  now: "now",
  ago: (time) => `${time} ago`,

  settings: "Settings",
  onlyChosen: "Only what was chosen",
  key: "Key",
  value: "Value",
  origin: "From",
  byDefault: "default",
  chosen: "file or flag",
  version: (status) =>
    `CloudAPS ${status.version} · provider ${status.ownership === "foreign" ? "static" : "owns its machines"}`,

  confirm: {
    scale: (group, from, to) => ({
      title: `Scale from ${from} to ${to} ${group}?`,
      text:
        to < from
          ? "Those with the highest numbers are drained, then ended."
          : "The new ones take traffic once they pass their probes.",
      yes: "Scale",
    }),
    drain: (slot) => ({
      title: `Drain ${slot}?`,
      text: "It takes no new request. Those in flight may end, then it is ended and replaced.",
      yes: "Drain",
    }),
    replace: (slot) => ({
      title: `Replace ${slot}?`,
      text: slot.startsWith("backend")
        ? "The old backend has to be gone before the new one opens the data. Requests are held meanwhile."
        : "Its successor is launched first. When that one serves, this one is drained and ended.",
      yes: "Replace",
    }),
    pause: () => ({
      title: "Pause healing?",
      text: "Nothing is launched or ended until somebody resumes. The traffic goes on, and dead endpoints are still avoided.",
      yes: "Pause",
    }),
    resume: () => ({
      title: "Resume healing?",
      text: "What is missing is launched, and what failed is replaced. A freeze of launches ends.",
      yes: "Resume",
    }),
  },
};
