"use strict";
// The arithmetic of pipeline/statistics/screening.py and the words of section.py once more, for the panel that explores
// other settings. tests/report/test_browser.py holds both to the same numbers. No library, no request.

const CONFIDENCE = 0.95, Z = 1.959963984540054;

function wilson(x, n) {
  const p = x / n, middle = p + Z ** 2 / (2 * n);
  const spread = Z * Math.sqrt(p * (1 - p) / n + Z ** 2 / (4 * n ** 2)), whole = 1 + Z ** 2 / n;
  return [x === 0 ? 0 : (middle - spread) / whole, x === n ? 1 : (middle + spread) / whole];
}

function clopperPearson(x, n) {
  const tail = (1 - CONFIDENCE) / 2;
  return [x === 0 ? 0 : betaQuantile(x, n - x + 1, tail), x === n ? 1 : betaQuantile(x + 1, n - x, 1 - tail)];
}

function betaQuantile(a, b, share) {
  let low = 0, high = 1;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (betaShare(a, b, middle) < share) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

// Regularised incomplete beta function: Lentz's continued fraction, Press et al., Numerical Recipes, 6.4.
function betaShare(a, b, x) {
  if (x > (a + 1) / (a + b + 2)) return 1 - betaShare(b, a, 1 - x);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  let c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), sum = d;
  for (let m = 1; m < 10000; m++) {
    const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    let step = 1;
    for (const factor of [even, odd]) {
      d = 1 / (1 + factor * d);
      c = 1 + factor / c;
      step = c * d;
      sum *= step;
    }
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return front * sum;
}

// Stirling's series, after moving the argument to where eight terms give every digit.
function logGamma(z) {
  let shift = 0;
  for (; z < 15; z++) shift += Math.log(z);
  const terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
  const series = terms.reduce((sum, term, i) => sum + term / z ** (2 * i + 1), 0);
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

function sureBound(n) { return (1 - CONFIDENCE) ** (1 / n); }

function estimate(value, low, high) { return {value, low, high}; }

function rateEstimate(rate, n) {
  if (rate === 1) return estimate(1, sureBound(n), null);
  if (rate === 0) return estimate(0, null, 1 - sureBound(n));
  return estimate(rate, ...wilson(rate * n, n));
}

function missed(rate, persons, [low, high], n) {
  if (rate === 1) return estimate(null, null, persons * (1 - sureBound(n)));
  if (rate === 0) return estimate(null, persons * sureBound(n), null);
  return estimate(persons * (1 - rate), persons * (1 - high), persons * (1 - low));
}

function predictive(se, n1, sp, n0, share) {
  const value = (hit, reject) => hit * share / (hit * share + (1 - reject) * (1 - share));
  if (se === 0 && sp === 1 || se === 1 && sp === 0) return estimate(null, null, null);
  if (sp === 1) return estimate(null, value(wilson(se * n1, n1)[0], sureBound(n0)), null);
  if (se === 0) return estimate(null, null, value(1 - sureBound(n1), wilson(sp * n0, n0)[1]));
  const spread = Z * Math.sqrt((1 - se) / (se * n1) + sp / ((1 - sp) * n0));
  const odds = value(se, sp) / (1 - value(se, sp)), end = (o) => o / (1 + o);
  return estimate(value(se, sp), end(odds * Math.exp(-spread)), end(odds * Math.exp(spread)));
}

function screening(se, sp, n1, n0, prevalence, nScreened) {
  const share = prevalence / 100000, diseased = nScreened * share, healthy = nScreened * (1 - share);
  return {
    sensitivity: rateEstimate(se, n1),
    specificity: rateEstimate(sp, n0),
    false_positives: missed(sp, healthy, clopperPearson(sp * n0, n0), n0),
    false_negatives: missed(se, diseased, wilson(se * n1, n1), n1),
    ppv: predictive(se, n1, sp, n0, share),
    npv: predictive(sp, n0, se, n1, 1 - share),
  };
}

// runs: per seed the scores, ascending, and the size of each one's group; n: groups. Mean over seeds of the mean over
// groups of the share that reaches the threshold.
function reached(runs, n, threshold) {
  const shares = runs.map(([values, sizes]) => {
    let low = 0, high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < threshold) low = middle + 1; else high = middle;
    }
    return low === 0 ? 1 : sizes.slice(low).reduce((sum, size) => sum + 1 / size, 0) / n;
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
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

function words({value, low, high}, show, unit) {
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

// Outline of the persons from..to - 1 of 100,000: blocks of 10 by 10, 40 blocks in a row, filled one after the other.
function outline(from, to) {
  let path = "";
  while (from < to) {
    const block = Math.floor(from / 100), inside = from % 100, left = Math.min(to - from, 100 - inside);
    let x = 10 * (block % 40), y = 10 * Math.floor(block / 40) + Math.floor(inside / 10), width = 10, height = 1;
    if (inside === 0 && to - from >= 100) {
      width = 10 * Math.min(Math.floor((to - from) / 100), 40 - block % 40);
      height = 10;
    } else if (inside % 10 === 0 && left >= 10) {
      height = Math.floor(left / 10);
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
  const data = JSON.parse(document.getElementById("explore-data").textContent);
  const ascending = (steps) => { let sum = 0; return steps.map((step) => sum += step); };
  const runs = (kind) => kind.map(([steps, sizes]) => [ascending(steps), sizes]);
  const diseased = runs(data.diseased), healthy = runs(data.healthy);
  const find = (name) => panel.querySelector(`[data-${name}]`);
  const rounded = (value, digits) => Number(value.toPrecision(digits));
  const settings = {};

  // to and from the position of a slider; thresholds in millionths, between two possible scores
  const sliders = {
    prevalence: {
      set: (p) => rounded(10 ** (p / 200), 3), place: (v) => Math.round(200 * Math.log10(v)),
      say: (v) => `${v.toLocaleString("en-US")} per 100,000`,
    },
    screened: {
      set: (p) => rounded(10 ** (p / 50), 2), place: (v) => Math.round(50 * Math.log10(v)), say: grouped,
    },
    threshold: {
      set: (p) => Math.floor(1e6 / (1 + Math.exp(-p / 20))) + 0.5,
      place: (v) => Math.round(20 * Math.log(v / (1e6 - v))),
      say: (v) => v === null ? `frozen, ${data.thresholds}` : `${(v / 1e6).toFixed(v < 1e3 || v > 999e3 ? 6 : 3)} under every seed`,
    },
  };

  function show() {
    const {prevalence, screened, threshold} = settings, frozen = threshold === null;
    const se = frozen ? data.sensitivity : reached(diseased, data.n_diseased, threshold);
    const sp = frozen ? data.specificity : 1 - reached(healthy, data.n_healthy, threshold);
    const found = screening(se, sp, data.n_diseased, data.n_healthy, prevalence, screened);
    for (const name in found) find(name).textContent = WORDS[name](found[name]);
    for (const name in sliders) {
      const input = find(`slide-${name}`), text = sliders[name].say(settings[name]);
      input.setAttribute("aria-valuetext", text);
      find(`say-${name}`).textContent = text;
    }
    const asStated = frozen && prevalence === data.prevalence && screened === data.n_screened;
    find("state").textContent = asStated ? "These settings are those of the result above."
      : frozen ? "Frozen thresholds at other numbers of people: exploration."
      : "A threshold picked with the test part in view flatters itself: exploration.";
    find("note").textContent = `Expected per ${grouped(screened)} screened: ` +
      `${WORDS.false_positives(found.false_positives)} false positives, ` +
      `${WORDS.false_negatives(found.false_negatives)} false negatives; PPV ${WORDS.ppv(found.ppv)}.`;
    people(screening(se, sp, data.n_diseased, data.n_healthy, prevalence, 100000), prevalence);
  }

  function people(found, prevalence) {
    const whole = ({value, low, high}) => Math.round(value ?? high ?? low ?? 0);
    const bound = (e) => e.value !== null ? "" : e.high !== null ? "at most " : "at least ";
    const other = (e) => e.value !== null ? "" : e.high !== null ? "at least " : "at most ";
    const diseased = Math.round(prevalence), fn = Math.min(diseased, whole(found.false_negatives));
    const fp = Math.min(100000 - diseased, whole(found.false_positives));
    const kinds = [
      ["tp", diseased - fn, other(found.false_negatives)], ["fn", fn, bound(found.false_negatives)],
      ["fp", fp, bound(found.false_positives)], ["tn", 100000 - diseased - fp, other(found.false_positives)],
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
    Object.assign(settings, {prevalence: data.prevalence, screened: data.n_screened, threshold: null});
    for (const name in sliders) find(`slide-${name}`).value = sliders[name].place(settings[name] ?? data.middle);
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
