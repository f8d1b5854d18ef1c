"use strict";
/* Numbers and names for people, and elements. Texts become text nodes, so nothing in a run's files is read as HTML. */

const el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};

const svg = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

const Words = (() => {
  const NAMES = {
    error: ["error", "share of the validation images put in a wrong class"],
    ops: ["operations", "real multiply-accumulates + binary ones / 64, for one image"],
    elementwise: ["elementwise operations", "of norms, signs and functions, which operations leave out"],
    bits: ["bits", "kept for inference: 1 a binary weight, 32 any other number"],
    parameters: ["parameters", "numbers that are trained"],
    binary_macs: ["binary MACs", "multiply-accumulates of 1-bit numbers, for one image"],
    real_macs: ["real MACs", "multiply-accumulates of real numbers, for one image"],
    binary_share: ["binary share", "part of the multiply-accumulates that is binary"],
    latency: ["latency (ms)", "sum of measured layer times"],
    loss: ["validation loss", "mean over the validation images"],
    training_loss: ["training loss", "mean over the last epoch"],
    asked: ["evaluations", "after how many evaluations it was first asked for"],
    born: ["generation", "in which it was bred"],
  };
  const SHARES = new Set(["error", "binary_share", "training_error", "parent_error"]);

  const named = (name) => (NAMES[name] ? NAMES[name][0] : name.replaceAll("_", " "));
  const meaning = (name) => (NAMES[name] ? NAMES[name][1] : "");
  const whole = (value) => Math.round(value).toLocaleString("en-US");

  function quantity(name, value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    if (SHARES.has(name)) return `${(100 * value).toFixed(Math.abs(value) < 0.9995 ? 2 : 1)} %`;
    if (Math.abs(value) >= 1000 || Number.isInteger(value)) return whole(value);
    return String(Number(value.toPrecision(4)));
  }

  function spread(name, mean, sd, n) {
    if (n < 2 || sd === null || sd === undefined) return quantity(name, mean);
    if (SHARES.has(name)) return `${(100 * mean).toFixed(2)} ± ${(100 * sd).toFixed(2)} %`;
    return sd === 0 ? quantity(name, mean) : `${quantity(name, mean)} ± ${quantity(name, sd)}`;
  }

  function short(value) {
    for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
      if (Math.abs(value) >= 0.9995 * size) return String(Number((value / size).toPrecision(3))) + letter;
    return String(Number(value.toPrecision(3)));
  }

  /** Few round numbers from `low` to `high`, which an axis of either kind is labelled with. */
  function ticks(low, high, log, most = 8) {
    if (log) {
      const decades = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) decades.push(power);
      for (const steps of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
        const found = decades.flatMap((power) => steps.map((step) => Number((step * 10 ** power).toPrecision(6))))
          .filter((one) => one >= low && one <= high);
        if (found.length <= most && found.length > 2) return found;
      }
    }
    const rough = (high - low) / (most - 2);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9); at * step <= high; at++) found.push(Number((at * step).toPrecision(10)));
    return found;
  }

  const brief = (name, value) =>
    SHARES.has(name) ? `${Number((100 * value).toPrecision(3))} %` : short(value);
  const counted = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

  return { named, meaning, ticks, quantity, spread, short, brief, whole, counted, SHARES };
})();
