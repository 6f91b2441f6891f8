// What changes the fleet: each is asked for, confirmed, and sent with the token.

import { isSignedIn, order, Refusal, signIn, signOut } from "./api.js";
import { byId, h, setAttribute, setText } from "./dom.js";
import { words } from "./language.js";
import { known, watch } from "./store.js";

/** How long a note stays. */
const NOTE_MS = 6000;

/** What each action sends. */
const ORDERS = {
  scale: (group, _, size) => order("/v1/scale", { [group]: size }),
  drain: (slot) => order(`/v1/slots/${slot}/drain`),
  replace: (slot) => order(`/v1/slots/${slot}/replace`),
  pause: () => order("/v1/pause"),
  resume: () => order("/v1/resume"),
};

/** What of the status tells of each group that can be scaled. */
const TALLIES = {
  instances: (status) => status.instances,
  backends: (status) => status.backend,
};

/** Those after which something is missing, at least for a while. */
const GRAVE = ["drain", "pause"];

/** What is to be asked once somebody has signed in. */
let wanted = null;

/** What is asked now. */
let asked = null;

export function startActions() {
  byId("sign").addEventListener("click", toggleSign);
  byId("sign-in").addEventListener("submit", submitToken);
  byId("confirm").addEventListener("submit", submitOrder);
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  byId("fewer").addEventListener("click", () => byId("size").stepDown());
  byId("more").addEventListener("click", () => byId("size").stepUp());
  byId("group").addEventListener("change", show);
  byId("controls").addEventListener("submit", askForSize);
  byId("pause").addEventListener("click", () => ask(isPaused() ? "resume" : "pause"));
  watch(["status"], show);
}

const isPaused = () => known.status?.operation === "paused";

function show() {
  setText(byId("sign"), isSignedIn() ? words().signOut : words().signIn);
  setText(byId("pause"), isPaused() ? words().resume : words().pause);
  setAttribute(byId("pause"), "class", isPaused() ? "main" : null);
  if (known.status === null) return;
  const { backend, ownership, operation } = known.status;
  setAttribute(
    byId("controls"),
    "hidden",
    ownership === "foreign" || operation === "stopping" ? "" : null,
  );
  const hasChoice = backend.smallest < backend.largest;
  setAttribute(byId("group"), "hidden", hasChoice ? null : "");
  setAttribute(byId("only-group"), "hidden", hasChoice ? "" : null);
  showSize(byId("group").value);
}

function showSize(group) {
  const { desired, smallest, largest } = TALLIES[group](known.status);
  const size = byId("size");
  setAttribute(size, "min", smallest);
  setAttribute(size, "max", largest);
  // What somebody has typed stays until the group itself has another size.
  const shown = `${group} ${desired}`;
  if (size.dataset.shown !== shown) {
    size.dataset.shown = shown;
    size.value = desired;
  }
}

function askForSize(event) {
  event.preventDefault();
  const group = byId("group").value;
  const [from, to] = [TALLIES[group](known.status).desired, byId("size").valueAsNumber];
  if (from !== to) ask("scale", group, from, to);
}

/** Asks whether to do it; before that, who it is. */
export function ask(action, ...details) {
  if (!isSignedIn()) {
    wanted = () => ask(action, ...details);
    askForToken();
    return;
  }
  asked = { action, details };
  const { title, text, yes } = words().confirm[action](...details);
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-yes"), yes);
  setAttribute(byId("confirm-yes"), "class", GRAVE.includes(action) ? "grave" : "main");
  refuse("confirm-refusal", null);
  byId("confirm").showModal();
}

async function submitOrder(event) {
  event.preventDefault();
  const { action, details } = asked;
  try {
    const { message } = await ORDERS[action](...details);
    byId("confirm").close();
    note(message);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) {
      signOut();
      show();
      byId("confirm").close();
      ask(action, ...details);
      return;
    }
    refuse("confirm-refusal", error instanceof Refusal ? error.message : words().unreachable);
  }
}

/** Asks for the token. */
export function askForToken() {
  const dialog = byId("sign-in");
  if (dialog.open) return;
  byId("token").value = "";
  refuse("sign-in-refusal", null);
  dialog.showModal();
}

function toggleSign() {
  if (!isSignedIn()) return askForToken();
  signOut();
  show();
}

async function submitToken(event) {
  event.preventDefault();
  try {
    if (!(await signIn(byId("token").value.trim())))
      return refuse("sign-in-refusal", words().wrongToken);
  } catch (error) {
    const isToken = error instanceof Refusal && error.status === 401;
    return refuse("sign-in-refusal", isToken ? words().wrongToken : words().unreachable);
  }
  byId("sign-in").close();
  show();
  const next = wanted;
  wanted = null;
  next?.();
}

function refuse(id, text) {
  setText(byId(id), text ?? "");
  setAttribute(byId(id), "hidden", text === null ? "" : null);
}

function note(text) {
  const element = h("p", { class: "note", text });
  byId("notes").append(element);
  setTimeout(() => element.remove(), NOTE_MS);
}
