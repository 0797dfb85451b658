"use strict";
// Shows the estimates of slider_data.py at other prevalences, numbers of people and slices, and thresholds.
// tests/report/test_browser.py compares its numbers and words with those of the report. No library, no request.

function scaled(ends, scale) { return ends.map((end) => end === null ? null : scale(end)); }

// ends: of each quantity value, low and high; null: none. The last two are likelihood ratios.
function screening(ends, prevalence, nScreened) {
  const [sensitivity, specificity, alarmed, missed, positive, negative] = ends;
  const diseased = nScreened * prevalence / 100000, healthy = nScreened - diseased;
  const predictive = (odds) => (ratio) => ratio * odds / (1 + ratio * odds);
  return {
    sensitivity,
    specificity,
    false_positives: scaled(alarmed, (rate) => rate * healthy),
    false_negatives: scaled(missed, (rate) => rate * diseased),
    ppv: scaled(positive, predictive(diseased / healthy)),
    npv: scaled(negative, predictive(healthy / diseased)),
  };
}

// Healthy persons alarmed if any of n independent slices alarms. alarmed: of `healthy` persons with one slice each.
function alarmedByAny(alarmed, healthy, n) {
  return scaled(alarmed, (persons) => healthy * (1 - (1 - persons / healthy) ** n));
}

function percent(share, digits) {
  const text = (100 * share).toFixed(digits), least = 10 ** -digits;
  if (share > 0 && Number(text) === 0) return `<${least.toFixed(digits)} %`;
  if (share < 1 && Number(text) === 100) return `>${(100 - least).toFixed(digits)} %`;
  return `${text} %`;
}

function grouped(value) { return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ","); }

function count(value) {
  if (value === Math.trunc(value) || value >= 10) return grouped(value);
  return value >= 1 ? value.toFixed(1) : value >= 0.005 ? value.toFixed(2) : "<0.01";
}

function words([value, low, high], show, unit) {
  const end = (number) => show(number).replace(unit, "");
  if (value !== null && low !== null && high !== null) return `${show(value)} [${end(low)}, ${end(high)}]`;
  const bound = low !== null ? `at least ${end(low)}${unit}` : high !== null ? `at most ${end(high)}${unit}` : null;
  return value === null ? bound || "cannot be estimated" : `${show(value)} (${bound || "no interval"})`;
}

const WORDS = {
  sensitivity: (e) => words(e, (v) => percent(v, 1), " %"),
  specificity: (e) => words(e, (v) => percent(v, 1), " %"),
  false_positives: (e) => words(e, count, ""),
  false_negatives: (e) => words(e, count, ""),
  ppv: (e) => words(e, (v) => percent(v, 2), " %"),
  npv: (e) => words(e, (v) => percent(v, 4), " %"),
};

// The same as outline of people.py.
function outline(from, to) {
  let path = "";
  while (from < to) {
    const block = Math.floor(from / 100), inside = from % 100, room = Math.min(to - from, 100 - inside);
    let x = 10 * (block % 40), y = 10 * Math.floor(block / 40) + Math.floor(inside / 10), width = 10, height = 1;
    if (inside === 0 && to - from >= 100) {
      width = 10 * Math.min(Math.floor((to - from) / 100), 40 - block % 40);
      height = 10;
    } else if (inside % 10 === 0 && room >= 10) {
      height = Math.floor(room / 10);
    } else {
      x += inside % 10;
      width = Math.min(to - from, 10 - inside % 10);
    }
    path += `M${x} ${y}h${width}v${height}h${-width}z`;
    from += width * height;
  }
  return path;
}

function explore(panel) {
  const data = JSON.parse(document.getElementById("slider-data").textContent);
  const find = (name) => panel.querySelector(`[data-${name}]`);
  const rounded = (value, digits) => Number(value.toPrecision(digits));
  const settings = {};
  const threshold = (position) => data.thresholds[position - data.first];
  const decimals = (value) => value < 1e-3 || value > 0.999 ? 6 : 3;

  // to and from the position of a slider; a threshold is kept as its position, null: those of the result
  const sliders = {
    prevalence: {
      set: (p) => rounded(10 ** (p / 200), 3), place: (v) => Math.round(200 * Math.log10(v)),
      text: (v) => `${v.toLocaleString("en-US")} per 100,000`,
    },
    screened: {
      set: (p) => rounded(10 ** (p / 50), 2), place: (v) => Math.round(50 * Math.log10(v)), text: grouped,
    },
    threshold: {
      set: (p) => p, place: (p) => p ?? data.middle,
      text: (p) => p === null ? `frozen, ${data.frozen_text}`
        : `${threshold(p).toFixed(decimals(threshold(p)))} under every seed`,
    },
    slices: {set: (n) => n, place: (n) => n, text: (n) => n === 1 ? "1 slice" : `${n} slices`},
  };
  if (!find("slide-slices")) delete sliders.slices;  // images that are no slices of a person

  function show() {
    const {prevalence, screened, slices, threshold: position} = settings, frozen = position === null;
    const ends = frozen ? data.frozen : data.estimates[data.rows[position - data.first]];
    const shown = screening(ends, prevalence, screened);
    for (const name in shown) find(name).textContent = WORDS[name](shown[name]);
    for (const name in sliders) {
      const input = find(`slide-${name}`), text = sliders[name].text(settings[name]);
      input.setAttribute("aria-valuetext", text);
      find(`text-${name}`).textContent = text;
    }
    if (sliders.slices) {
      const healthy = screened - screened * prevalence / 100000;
      find("together").textContent = WORDS.false_positives(shown.false_positives);
      find("independent").textContent = words(alarmedByAny(shown.false_positives, healthy, slices), count, "");
    }
    const asStated = frozen && prevalence === data.prevalence && screened === data.n_screened && slices === 1;
    find("state").textContent = asStated ? "These settings are those of the result above."
      : frozen ? "Frozen thresholds at other numbers of people or slices: exploration."
      : "A threshold picked with the test part in view flatters the model: exploration.";
    find("note").textContent = `Expected per ${grouped(screened)} screened: ` +
      `${WORDS.false_positives(shown.false_positives)} false positives, ` +
      `${WORDS.false_negatives(shown.false_negatives)} false negatives; PPV ${WORDS.ppv(shown.ppv)}.`;
    people(screening(ends, prevalence, 100000), prevalence);
  }

  function people({false_negatives: missed, false_positives: alarmed}, prevalence) {
    const whole = (ends) => Math.round(ends[0] ?? ends[2] ?? ends[1] ?? 0);
    const bound = ([value, , high], most, least) => value !== null ? "" : high !== null ? most : least;
    const diseased = Math.round(prevalence), fn = Math.min(diseased, whole(missed));
    const fp = Math.min(100000 - diseased, whole(alarmed)), most = "at most ", least = "at least ";
    const kinds = [
      ["tp", diseased - fn, bound(missed, least, most)], ["fn", fn, bound(missed, most, least)],
      ["fp", fp, bound(alarmed, most, least)], ["tn", 100000 - diseased - fp, bound(alarmed, least, most)],
    ];
    let from = 0;
    for (const [name, n, word] of kinds) {
      const path = outline(from, from + n);
      for (const shape of panel.querySelectorAll(`[data-people-${name}]`)) shape.setAttribute("d", path);
      find(`n-${name}`).textContent = word + grouped(n);
      from += n;
    }
  }

  function reset() {
    Object.assign(settings, {prevalence: data.prevalence, screened: data.n_screened, threshold: null, slices: 1});
    for (const name in sliders) find(`slide-${name}`).value = sliders[name].place(settings[name]);
    show();
  }

  for (const name in sliders) {
    find(`slide-${name}`).addEventListener("input", (event) => {
      settings[name] = sliders[name].set(Number(event.target.value));
      show();
    });
  }
  find("reset").addEventListener("click", reset);
  panel.hidden = false;
  reset();
}

explore(document.getElementById("explore"));
