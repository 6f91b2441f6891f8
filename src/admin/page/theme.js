// Light or dark: as the system is, or as was chosen here.

import { byId, setAttribute, setText } from "./dom.js";
import { words } from "./language.js";

const KEY = "cloudaps.theme";
const THEMES = ["auto", "light", "dark"];

let theme = THEMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";

export function startTheme(changed) {
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEY, theme);
    showTheme();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  showTheme();
}

export function showTheme() {
  setAttribute(document.documentElement, "data-theme", theme === "auto" ? null : theme);
  setText(byId("theme"), words().themes[theme]);
}
