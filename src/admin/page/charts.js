// The traffic as it was: answers by class, the time to the first byte, and what went wrong. The
// charts share one cursor, and incidents stand in them as lines.

import { byId, setAttribute, setText } from "./dom.js";
import { millis, number, rate } from "./format.js";
import { tag, words } from "./language.js";
import { known, watch } from "./store.js";

const HEIGHT = 180;

/** Charts that are drawn less often than this look as alive. */
const DRAW_MS = 900;

const CLASSES = ["answers_2xx", "answers_3xx", "answers_4xx", "answers_5xx"];

/** What each chart shows: where, with which lines, and how values are written. */
const CHARTS = [
  {
    id: "requests",
    write: rate,
    lines: () =>
      CLASSES.map((column, index) => ({
        label: `${index + 2}xx`,
        color: `--class-${index + 2}`,
        column,
      })),
    columns: (period) => stacked(CLASSES.map((column) => perSecond(period, column))),
    fill: true,
  },
  {
    id: "latency",
    write: millis,
    lines: () => [
      { label: words().half, color: "--half", column: "p50_ms" },
      { label: words().most, color: "--most", column: "p99_ms" },
    ],
    columns: (period) => [period.p50_ms, period.p99_ms],
  },
  {
    id: "trouble",
    write: rate,
    lines: () => [
      { label: words().retries, color: "--retries", column: "retries" },
      { label: words().held, color: "--holds", column: "held" },
      { label: words().ejections, color: "--ejections", column: "ejections" },
    ],
    columns: (period) =>
      ["retries", "held", "ejections"].map((column) => perSecond(period, column)),
  },
];

let shown = "seconds";
let plots = new Map();
let drawn = 0;

export function startCharts() {
  watch(["history", "incidents"], update);
  byId("period").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button === null) return;
    shown = button.value;
    for (const other of byId("period").children)
      setAttribute(other, "aria-pressed", String(other === button));
    draw();
  });
  new ResizeObserver(() => {
    for (const [id, plot] of plots)
      plot.setSize({ width: byId(`${id}-chart`).clientWidth, height: HEIGHT });
  }).observe(byId("requests-chart"));
  return { draw };
}

/** Draws everything anew: the words, the colours or the period are others. */
function draw() {
  if (known.history === null) return;
  for (const plot of plots.values()) plot.destroy();
  plots = new Map(CHARTS.map((chart) => [chart.id, plotOf(chart)]));
  // A plot draws itself a moment after it was made.
  setTimeout(() => plots.forEach((plot) => showNewest(plot)));
  drawn = performance.now();
  describe();
}

function update() {
  if (known.history === null || document.hidden || performance.now() - drawn < DRAW_MS) return;
  if (plots.size === 0) return draw();
  for (const chart of CHARTS) plots.get(chart.id).setData(dataOf(chart));
  drawn = performance.now();
  describe();
}

/** Below a chart stands its newest step, unless somebody points at another one. */
function showNewest(plot) {
  if (plot.cursor.idx === null || plot.cursor.idx === undefined)
    plot.setLegend({ idx: plot.data[0].length - 1 });
}

function plotOf(chart) {
  const place = byId(`${chart.id}-chart`);
  const lines = chart.lines();
  const series = lines.map((line, index) => ({
    label: line.label,
    stroke: colorOf(line.color),
    fill: chart.fill ? colorOf(line.color, 0.75) : undefined,
    width: chart.fill ? 0 : 1.75,
    points: { show: false },
    // What is stacked is drawn from the top: what is written is the line's own part.
    value: (plot, _, __, step) => chart.write(step === null ? null : ownPart(chart, index, step)),
  }));
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    cursor: { sync: { key: "traffic" }, drag: { x: false, y: false }, points: { size: 6 } },
    legend: { live: true },
    padding: [8, 26, 0, 0],
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: axesOf(chart),
    series: [{ label: words().time, value: (_, time) => clock(time) }, ...series],
    bands: chart.fill ? lines.slice(1).map((_, index) => ({ series: [index + 2, index + 1] })) : [],
    hooks: { drawClear: [markIncidents], draw: [showNewest] },
  };
  place.replaceChildren();
  return new uPlot(options, dataOf(chart), place);
}

function axesOf(chart) {
  const common = {
    stroke: colorOf("--text-soft"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    ticks: { show: false },
  };
  const grid = { stroke: colorOf("--line"), width: 1 };
  const minutes = { hour: "2-digit", minute: "2-digit" };
  const times = (_, splits, __, ___, step) => {
    return splits.map((time) => clock(time, step < 60 ? undefined : minutes));
  };
  const write = (value) => {
    if (value === 0 || chart.write !== millis) return value.toLocaleString(tag());
    return millis(value);
  };
  const values = (_, splits) => splits.map(write);
  return [
    { ...common, grid: { show: false }, values: times, space: 70, size: 28 },
    { ...common, grid, values, size: 58, space: 34 },
  ];
}

function dataOf(chart) {
  const period = known.history[shown];
  const times = period.requests.map((_, step) => period.begins_at + step * period.step_seconds);
  return [times, ...chart.columns(period)];
}

const perSecond = (period, column) =>
  period[column].map((count) => (count === null ? null : count / period.step_seconds));

/** Each column with those before it. */
function stacked(columns) {
  const sums = new Array(columns[0].length).fill(0);
  return columns.map((column) =>
    column.map((value, step) => (value === null ? null : (sums[step] += value))),
  );
}

function ownPart(chart, index, step) {
  const period = known.history[shown];
  if (chart.write === millis) return period[chart.lines()[index].column][step];
  return perSecond(period, chart.lines()[index].column)[step] ?? null;
}

/** A line where something failed. */
function markIncidents(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colorOf("--ejections", 0.75);
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  for (const { detected_at: detected, cause } of known.incidents) {
    const x = plot.valToPos(Date.parse(detected) / 1000, "x", true);
    if (cause === "ordered" || !(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function clock(time, parts = { hour: "2-digit", minute: "2-digit", second: "2-digit" }) {
  if (time === null || time === undefined) return "";
  return new Date(time * 1000).toLocaleTimeString(tag(), { ...parts, hourCycle: "h23" });
}

/** A colour of the theme as the canvas wants it. */
function colorOf(name, alpha = 1) {
  const probe = byId("main");
  const before = probe.style.color;
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  probe.style.color = before;
  return alpha === 1 ? color : color.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

/** The charts in words, for who does not see them. */
function describe() {
  const period = known.history[shown];
  const last = period.requests.length - 1;
  if (last < 0) return;
  const of = (column) => (period[column][last] ?? 0) / period.step_seconds;
  const total = (column) => number(period[column].reduce((sum, value) => sum + (value ?? 0), 0));
  const answers = CLASSES.reduce((sum, column) => sum + of(column), 0);
  setText(byId("requests-words"), words().requestWords(rate(answers), rate(of("answers_5xx"))));
  setText(
    byId("latency-words"),
    words().latencyWords(millis(period.p50_ms[last]), millis(period.p99_ms[last])),
  );
  setText(
    byId("trouble-words"),
    words().troubleWords(total("retries"), total("held"), total("ejections")),
  );
}
