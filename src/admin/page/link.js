// Whether what is shown is what is.

import { byId, setAttribute, setText } from "./dom.js";
import { words } from "./language.js";
import { known, watch } from "./store.js";

export function startLink() {
  watch(["link"], show);
  watch(["status"], showVersion);
  show();
}

function show() {
  const { state, quiet } = known.link;
  setAttribute(byId("link"), "data-state", state);
  setAttribute(document.body, "data-stale", state === "stale" ? "" : null);
  const text = { connecting: words().connecting, live: words().live, stale: words().stale(quiet) }[
    state
  ];
  setText(byId("link-text"), text);
}

function showVersion() {
  if (known.status !== null) setText(byId("version"), words().version(known.status));
}
