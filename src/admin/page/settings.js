// The configuration as it holds.

import { byId, h, keyed, setAttribute, setText } from "./dom.js";
import { words } from "./language.js";
import { known, watch } from "./store.js";

export function startSettings() {
  watch(["settings"], show);
  byId("chosen").addEventListener("change", show);
}

function show() {
  const onlyChosen = byId("chosen").checked;
  const settings = known.settings.filter((setting) => !onlyChosen || !setting.is_default);
  keyed(byId("setting-rows"), settings, { key: (setting) => setting.key, create, update });
}

function create() {
  const [key, value, origin] = [h("td", { class: "mono" }), h("td", { class: "mono" }), h("td")];
  return { root: h("tr", {}, key, value, origin), key, value, origin };
}

function update(part, { key, value, is_default: isDefault }) {
  setAttribute(part.root, "data-chosen", isDefault ? null : "");
  setText(part.key, key);
  setText(part.value, value);
  setText(part.origin, isDefault ? words().byDefault : words().chosen);
}
