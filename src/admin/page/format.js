// Numbers and times, as the page's language writes them.

import { tag, words } from "./language.js";

export const NOTHING = "–";

export function number(value, digits = 0) {
  if (value === null || value === undefined) return NOTHING;
  return value.toLocaleString(tag(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** A rate: small ones with a digit after the point. */
export function rate(value) {
  if (value === null || value === undefined) return NOTHING;
  return number(value, value > 0 && value < 10 ? 1 : 0);
}

/** A length of time that is given in milliseconds, in the unit that fits. */
export function millis(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value === 0) return "0 ms";
  if (value < 10) return `${number(value, 1)} ms`;
  if (value < 1000) return `${number(value)} ms`;
  if (value < 60_000) return `${number(value / 1000, 1)} s`;
  return span(value / 1000);
}

/** A length of time that is given in seconds, in its two largest units. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600),
    Math.floor(whole / 60),
  ];
  if (minutes === 0) return `${whole} s`;
  if (hours === 0) return `${minutes} min ${whole % 60} s`;
  if (days === 0) return `${hours} h ${minutes % 60} min`;
  return `${days} d ${hours % 24} h`;
}

/** A length of time that is given in seconds, in its largest unit. */
export const rough = (seconds) => span(seconds).split(" ").slice(0, 2).join(" ");

/** How long ago something was, roughly: it need not change every second. */
export function ago(seconds) {
  if (seconds < 5) return words().now;
  return words().ago(rough(seconds < 60 ? Math.floor(seconds / 5) * 5 : seconds));
}

/** When something was: today the time alone. */
export function moment(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return date.toLocaleString(
    tag(),
    isToday ? options : { ...options, day: "2-digit", month: "short" },
  );
}
