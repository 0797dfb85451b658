"use strict";
// Sorts and filters the table of trials, and draws a line per trial through its parameters to its score.
// Without it the page shows the plain table, in the order of trials.py. No library, no request.

function number(text) { return text.trim() === "" ? NaN : Number(text); }

// Numbers before words; empty cells are compared by the caller.
function compare(a, b) {
  const words = Number.isNaN(a.number) - Number.isNaN(b.number);
  return words || a.number - b.number || a.text.localeCompare(b.text);
}

// Stable, empty cells last. Scores of different levels cannot be compared, so their order stays.
function sorted(trials, column, ascending) {
  const of = (trial) => trial.cells[column.place];
  const levels = (a, b) => column.key === "score" ? a.level - b.level : 0;
  const order = (a, b) => (ascending ? 1 : -1) * compare(of(a), of(b));
  return [...trials].sort((a, b) => (of(a).text === "") - (of(b).text === "") || levels(a, b) || order(a, b));
}

const SIGNS = {"<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b};

function tokens(text) { return text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []; }

// A word, or a column with sign and value; a problem if unfinished or without such a column.
function term(token, columns) {
  const text = token.replaceAll('"', ""), [, name, sign, value] = /^([^<>=]+)(<=|>=|<|>|=)(.*)$/.exec(text) ?? [];
  if (!sign) return {word: text.toLowerCase()};
  const column = columns.find(({key}) => key.toLowerCase() === name.toLowerCase());
  const isReady = column && value !== "" && (sign === "=" || !Number.isNaN(number(value)));
  return isReady ? {column, sign, value} : {problem: text};
}

function equals(cell, value) {
  if (value === "none") return cell.text === "";
  return cell.text.toLowerCase() === value.toLowerCase() || cell.number === number(value);
}

// Whether a trial fits all terms; of several `=` for one column, one is enough.
function fits(trial, terms) {
  const cell = ({column}) => trial.cells[column.place];
  return terms.every((each) => {
    if (each.problem) return true;
    if (each.word) return trial.cells.some(({text}) => text.toLowerCase().includes(each.word));
    if (each.sign !== "=") return SIGNS[each.sign](cell(each).number, number(each.value));
    return terms.some((other) => other.sign === "=" && other.column === each.column && equals(cell(each), other.value));
  });
}

// The trials of the table: cells as text and number, and the level within which scores can be compared.
function readTrials(table, columns) {
  return [...table.tBodies[0].rows].map((row) => {
    const cells = columns.map(({place}) => {
      const {dataset, textContent: text} = row.cells[place];
      return {text, number: number(dataset.value ?? text)};
    });
    return {row, cells, name: cells[0].text, level: Number(row.dataset.level)};
  });
}

function explain(trial, columns, isPinned) {
  const parts = columns.slice(1).map(({title, place}) => [title, trial.cells[place].text]).filter(([, text]) => text);
  return `Trial ${trial.name}${isPinned ? ", pinned" : ""}: ${parts.map((part) => part.join(" ")).join(", ")}.`;
}

// Scrolls the table alone, not the page.
function reveal(row, head, scroller) {
  const {top, bottom} = row.getBoundingClientRect(), box = scroller.getBoundingClientRect();
  const above = box.top + head.offsetHeight - top, below = bottom - box.bottom;
  if (above > 0) scroller.scrollTop -= above;
  else if (below > 0) scroller.scrollTop += below;
}

function trialTable(view) {
  const table = view.querySelector("table"), find = (name) => view.querySelector(`[data-${name}]`);
  const heads = [...table.tHead.rows[0].cells], field = find("filter"), figure = view.querySelector("figure");
  const columns = heads.map((head, place) => ({head, place, title: head.textContent, ...head.dataset}));
  let order = readTrials(table, columns), inspected = null, lines = null;
  const trials = [...order], pinned = new Set();

  function show() {
    const terms = tokens(field.value).map((token) => term(token, columns));
    const shown = order.filter((trial) => fits(trial, terms)), problems = terms.flatMap(({problem}) => problem ?? []);
    const isShown = new Set(shown);
    if (!isShown.has(inspected)) inspected = null;
    for (const trial of trials) {
      trial.row.hidden = !isShown.has(trial);
      trial.row.classList.toggle("inspected", trial === inspected);
      trial.row.classList.toggle("pinned", pinned.has(trial));
    }
    const ignored = problems.length ? ` Ignored, no such column or unfinished: ${problems.join(" ")}` : "";
    find("count").textContent = `${shown.length} of ${trials.length} trials.${ignored}`;
    lines?.(shown, terms, inspected, pinned);
  }

  function inspect(trial) {
    inspected = trial;
    show();
    if (lines) find("trial").textContent = inspected ? explain(inspected, columns, pinned.has(inspected)) : "No line selected.";
    if (inspected) reveal(inspected.row, table.tHead, table.parentElement);
  }

  function pin(trial) {
    if (!pinned.delete(trial)) pinned.add(trial);
    inspect(trial);
  }

  function brush(column, terms) {
    const others = tokens(field.value).filter((token) => term(token, columns).column !== column);
    field.value = [...others, ...terms].join(" ");
    show();
  }

  function sort(column) {
    const current = column.head.getAttribute("aria-sort"), isScore = column.key.endsWith("score");  // best first
    const ascending = current ? current === "descending" : !isScore;
    for (const {head} of columns) head.removeAttribute("aria-sort");
    column.head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    order = sorted(order, column, ascending);
    table.tBodies[0].append(...order.map(({row}) => row));
    show();
  }

  for (const column of columns) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...column.head.childNodes);
    button.addEventListener("click", () => sort(column));
    column.head.append(button);
    if (column.key === "score") column.head.setAttribute("aria-sort", "descending");  // the order of trials.py
  }
  field.addEventListener("input", show);
  field.form.addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", () => {
    field.value = "";
    pinned.clear();
    inspect(null);
  });
  view.classList.add("live", ...(view.open ? [] : ["long"]));
  view.open = true;
  find("tools").hidden = false;
  if (figure) lines = plot(figure, columns, trials, {inspect, pin, brush});
  inspect(null);
}

trialTable(document.getElementById("all-trials"));
