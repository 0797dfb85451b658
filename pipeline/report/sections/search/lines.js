"use strict";
// Draws a line per trial of the table, through its parameters to its score; see table.js.

// Axes reach from TOP to BOTTOM; below them are the places of numbers without a logarithm, and of empty cells.
const TOP = 46, BOTTOM = 300, HEIGHT = BOTTOM - TOP, NO_LOG = BOTTOM + 20, NONE = BOTTOM + 42;
const STEP = 76, MARGIN = 64;  // least distance of axes; room for labels on both sides
const FEW = 6;  // up to here every number has its tick

function short(text, n) { return text.length <= n ? text : `${text.slice(0, n - 1)}…`; }

function rounded(value) { return Number(value.toPrecision(3)); }

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.append(...children);
  return made;
}

// Ticks as [text, y], the place of a cell, and what the terms of the filter for a brushed range are.
function choices(key, cells) {
  const ticks = cells.map(({text}, i) => [text, BOTTOM - HEIGHT * (i + 0.5) / cells.length]), at = new Map(ticks);
  const quoted = (text) => /\s/.test(text) ? `"${text}"` : text;
  const brush = (top, bottom) => ticks.filter(([, y]) => y >= top && y <= bottom).map(([text]) => `${key}=${quoted(text)}`);
  return {ticks, y: ({text}) => at.get(text), brush};
}

function scale(key, cells, isLog) {
  const to = isLog ? Math.log : Number, from = isLog ? Math.exp : Number;
  const numbers = cells.map((cell) => cell.number).filter((value) => !isLog || value > 0);
  const low = numbers[0] ?? 1, high = numbers.at(-1) ?? 1, range = to(high) - to(low);
  const y = (value) => isLog && value <= 0 ? NO_LOG : BOTTOM - HEIGHT * (range ? (to(value) - to(low)) / range : 0.5);
  const at = (place) => rounded(from(to(low) + range * (BOTTOM - place) / HEIGHT));
  const marked = numbers.length <= FEW ? numbers : [low, at((TOP + BOTTOM) / 2), high];
  const ticks = marked.map((value) => [String(rounded(value)), y(value)]);
  const apart = ticks.filter(([, place], i) => i === 0 || ticks[i - 1][1] - place > 12);
  const below = numbers.length < cells.length ? [["≤ 0", NO_LOG]] : [];
  const brush = (top, bottom) => [
    ...(bottom < BOTTOM ? [`${key}>=${at(bottom)}`] : []), ...(top > TOP ? [`${key}<=${at(top)}`] : []),
  ];
  return {low, high, ticks: [...apart, ...below], y: (cell) => y(cell.number), brush};
}

function axis({key, kind, place}, trials, x) {
  const cells = trials.map((trial) => trial.cells[place]), filled = cells.filter(({text}) => text !== "");
  const known = [...new Map(filled.sort(compare).map((cell) => [cell.text, cell])).values()];
  const own = kind === "choice" ? choices(key, known) : scale(key, known, kind === "log");
  const gap = filled.length < cells.length ? [["none", NONE]] : [];
  return {
    ...own, key, place, x, ticks: [...own.ticks, ...gap], isShared: known.length < filled.length,
    y: (cell) => cell.text === "" ? NONE : own.y(cell),
    brush: (top, bottom) => top > BOTTOM ? [`${key}=none`] : own.brush(top, bottom),
  };
}

function lineOf(trial, i, trials, axes, kind) {
  const spread = 8 * (i / Math.max(1, trials.length - 1) - 0.5);  // lines that share a value do not hide each other
  const points = axes.map(({x, y, place, isShared}) => {
    const cell = trial.cells[place];
    return `${x} ${(y(cell) + (isShared || cell.text === "" ? spread : 0)).toFixed(1)}`;
  });
  const {low, high, place} = axes.at(-1), share = (trial.cells[place].number - low) / (high - low || 1);
  const shape = {d: `M${points.join("L")}`, style: `--share: ${share || 0}`};
  const name = {role: "option", tabindex: -1, "aria-label": `trial ${trial.name}`, "aria-selected": false};
  return svg("g", name, svg("path", {...shape, class: "reach"}), svg("path", {...shape, class: kind}));
}

function band(x, top, bottom) { return svg("rect", {x: x - 8, y: top, width: 16, height: Math.max(4, bottom - top)}); }

// The part of an axis that a mouse brushes. on.move: with the band so far; on.end: with the terms of the filter.
function handle({x, brush}, on) {
  const rect = svg("rect", {x: x - 11, y: TOP - 8, width: 22, height: NONE + 16 - TOP});
  const y = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(rect.getScreenCTM().inverse()).y;
  let start = null;
  rect.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button) return;  // a finger scrolls
    event.preventDefault();
    start = y(event);
    rect.setPointerCapture(event.pointerId);
  });
  rect.addEventListener("pointermove", (event) => {
    if (start !== null) on.move(band(x, Math.min(start, y(event)), Math.max(start, y(event))));
  });
  rect.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const top = Math.min(start, y(event)), bottom = Math.max(start, y(event));
    start = null;
    on.end(bottom - top < 4 ? [] : brush(top, bottom));
  });
  return rect;
}

// Bands for the terms of the filter that an axis shows.
function bands({key, x, y, low, ticks}, terms) {
  const own = terms.filter(({column}) => column?.key === key), at = new Map(ticks);
  const chosen = own.filter(({sign}) => sign === "=").map(({value}) => at.get(value) ?? (low === undefined ? NaN : y({text: value, number: number(value)})));
  const limit = (sign, end) => own.filter((each) => each.sign.startsWith(sign)).map(({value}) => y({text: value, number: number(value)}))[0] ?? end;
  const inside = (place) => Math.max(TOP, Math.min(BOTTOM, place));
  const ranged = low !== undefined && own.some(({sign}) => sign !== "=");
  const range = ranged ? [band(x, inside(limit("<", TOP)), inside(limit(">", BOTTOM)))] : [];
  return [...range, ...chosen.filter((place) => !Number.isNaN(place)).map((place) => band(x, place - 8, place + 8))];
}

// Draws into the figure. on: what to do with a trial that is inspected (null: no longer) or pinned, and with a brush.
function plot(figure, columns, trials, on) {
  const of = (isScore) => columns.filter(({kind}) => kind && (kind === "score") === isScore);
  const drawn = [...of(false), ...of(true)], score = drawn.at(-1), state = columns.find(({key}) => key === "state");
  const room = figure.querySelector(".wide").clientWidth - 2 * MARGIN;
  const step = Math.max(STEP, Math.min(200, room / (drawn.length - 1))), width = 2 * MARGIN + step * (drawn.length - 1);
  const axes = drawn.map((column, i) => axis(column, trials, MARGIN + i * step));
  const kind = ({cells}) => cells[score.place].text === "" ? "unscored"
    : score.key !== "score" || cells[state.place].text === "complete" ? "scored" : "pruned";
  const lines = new Map(trials.map((trial, i) => [trial, lineOf(trial, i, trials, axes, kind(trial))]));
  const trialOf = new Map([...lines].map(([trial, line]) => [line, trial]));
  const list = svg("g", {role: "listbox", "aria-label": "Trials as lines", "aria-multiselectable": true}, ...lines.values());
  const over = svg("g", {class: "over", "aria-hidden": true}), brushed = svg("g", {class: "brushed"});
  const stems = axes.map(({x}) => svg("path", {d: `M${x} ${TOP}V${BOTTOM}`}));
  const labels = axes.flatMap(({x, key, ticks}, i) => [
    svg("text", {x, y: i % 2 ? 32 : 15, class: "name"}, short(key, Math.floor(step / 4))),
    ...ticks.map(([text, y]) => svg("text", {x, y: y + 4}, short(text, Math.min(18, Math.floor(step / 7))))),
  ]);
  const handles = axes.map((each, i) => handle(each, {
    move: (shape) => brushed.replaceChildren(shape), end: (terms) => on.brush(drawn[i], terms),
  }));
  const canvas = svg("svg", {viewBox: `0 0 ${width} ${NONE + 20}`, style: `min-width: ${width * Math.min(1, STEP / step)}px; max-width: ${1.3 * width}px`},
    svg("g", {class: "stems", "aria-hidden": true}, ...stems, brushed), list, over,
    svg("g", {class: "labels", "aria-hidden": true}, ...labels), svg("g", {class: "handles", "aria-hidden": true}, ...handles));
  figure.querySelector(".wide").append(canvas);
  for (const [name, end] of [["low", axes.at(-1).low], ["high", axes.at(-1).high]]) {
    figure.querySelector(`[data-${name}]`).textContent = end === undefined ? "" : String(rounded(end));
  }

  let order = trials;  // those that the keys step through
  const reached = (event) => trialOf.get(event.target.closest("[role=option]"));
  const focus = (trial) => lines.get(trial)?.focus({preventScroll: true});
  list.addEventListener("pointerover", (event) => on.inspect(reached(event) ?? null));
  list.addEventListener("pointerleave", () => on.inspect(trialOf.get(document.activeElement) ?? null));
  list.addEventListener("click", (event) => { focus(reached(event)); on.pin(reached(event)); });
  list.addEventListener("focusin", (event) => on.inspect(reached(event)));
  list.addEventListener("focusout", () => on.inspect(null));
  list.addEventListener("keydown", (event) => {
    const at = order.indexOf(reached(event)), last = order.length - 1;
    const to = {ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: last}[event.key];
    if (event.key === "Enter" || event.key === " ") on.pin(reached(event));
    else if (to !== undefined) focus(order[Math.max(0, Math.min(last, to))]);
    else return;
    event.preventDefault();
  });

  // shown: in the order of the table
  return function update(shown, terms, inspected, pinned) {
    order = shown;
    const stop = shown.includes(inspected) ? inspected : shown[0], isShown = new Set(shown);
    for (const [trial, line] of lines) {
      line.setAttribute("tabindex", trial === stop ? 0 : -1);
      line.setAttribute("aria-selected", pinned.has(trial));
      line.classList.toggle("out", !isShown.has(trial));
      line.setAttribute("aria-hidden", !isShown.has(trial));
    }
    const marked = shown.filter((trial) => pinned.has(trial) || trial === inspected);
    over.replaceChildren(...marked.map((trial) => {
      const copy = svg("g", {class: trial === inspected ? "inspected" : "pinned"});
      copy.append(...[...lines.get(trial).children].map((path) => path.cloneNode()));
      return copy;
    }));
    brushed.replaceChildren(...axes.flatMap((each) => bands(each, terms)));
  };
}
