// The way of a repair, in its order. Every incident begins with being noticed.

export const STEPS = ["ejected", "launch_sent", "running", "port_open", "first_2xx", "serving"];

/** `taken`, `skipped`, `unseen`, or `awaited`. */
export function standing(incident, step) {
  const value = incident.steps_ms[step];
  if (typeof value === "number") return "taken";
  if (value === "skipped" || value === "unseen") return value;
  // Nothing comes after the end.
  return incident.outcome === "open" ? "awaited" : "skipped";
}

export function lastTaken(incident) {
  return STEPS.filter((step) => standing(incident, step) === "taken").pop() ?? "detected";
}

export function firstAwaited(incident) {
  return STEPS.find((step) => standing(incident, step) === "awaited") ?? "serving";
}
