// Which language the page speaks: what was chosen here before, or what the browser prefers.

import { byId, setAttribute, setText } from "./dom.js";
import english from "./words/en.js";
import portuguese from "./words/pt.js";

const LANGUAGES = { en: english, pt: portuguese };
const KEY = "cloudaps.language";

let code = chosen();

function chosen() {
  const before = localStorage.getItem(KEY);
  if (before in LANGUAGES) return before;
  const preferred = navigator.languages.map((language) => language.slice(0, 2).toLowerCase());
  return preferred.find((language) => language in LANGUAGES) ?? "en";
}

/** All words in the language of the page. */
export const words = () => LANGUAGES[code];

/** The tag of the language, as the browser's own formats want it. */
export const tag = () => (code === "pt" ? "pt-BR" : "en");

/** Puts the words into what is always there, and calls `changed` whenever that is done anew. */
export function speak(changed) {
  const other = () => (code === "en" ? "pt" : "en");
  const button = byId("language");
  const apply = () => {
    setAttribute(document.documentElement, "lang", tag());
    for (const element of document.querySelectorAll("[data-text]")) {
      setText(element, words()[element.dataset.text]);
    }
    for (const element of document.querySelectorAll("[data-label]")) {
      setAttribute(element, "aria-label", words()[element.dataset.label]);
    }
    setText(button, LANGUAGES[other()].name);
    setAttribute(button, "lang", other());
    changed();
  };
  button.addEventListener("click", () => {
    code = other();
    localStorage.setItem(KEY, code);
    apply();
  });
  apply();
}
