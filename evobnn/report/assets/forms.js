"use strict";
/* How the 33 forms are computed, each with its derivatives: value first, then one slope an argument. Conventions at
   kinks are PyTorch's, as in evobnn/nn/binary/forms.py; a test compares both. Learnable numbers are as they begin. */

const Forms = (() => {
  const E = 1e-8;
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const sgn = Math.sign;

  /** erf by its series near 0 and by the continued fraction of erfc elsewhere: 1e-12 or better. */
  function erf(x) {
    const z = Math.abs(x);
    if (z < 2.5) {
      let term = x, sum = x;
      for (let n = 1; n < 60; n++) {
        term *= (-x * x) / n;
        sum += term / (2 * n + 1);
      }
      return (2 / Math.sqrt(Math.PI)) * sum;
    }
    if (z > 6) return sgn(x);
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
    return sgn(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)));
  }
  const bell = (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);

  const TABLE = {
    x: (p) => [p, 1],
    zero: () => [0, 0],
    const: () => [1, 0],
    square: (p) => [p * p, 2 * p],
    cube: (p) => [p ** 3, 3 * p * p],
    sqrt: (p) => [sgn(p) * Math.sqrt(Math.abs(p) + E), (sgn(p) * sgn(p) * 0.5) / Math.sqrt(Math.abs(p) + E)],
    ln: (p) => [Math.log(Math.abs(p) + E), sgn(p) / (Math.abs(p) + E)],
    sin: (p) => [Math.sin(p), Math.cos(p)],
    cos: (p) => [Math.cos(p), -Math.sin(p)],
    sigmoid: (p) => [sigmoid(p), sigmoid(p) * (1 - sigmoid(p))],
    tan: (p) => [Math.tan(p), 1 + Math.tan(p) ** 2],
    atan: (p) => [Math.atan(p), 1 / (1 + p * p)],
    erf: (p) => [erf(p), bell(p)],
    erfc: (p) => [1 - erf(p), -bell(p)],
    expabs: (p) => [Math.exp(E - Math.abs(p)), -sgn(p) * Math.exp(E - Math.abs(p))],
    gauss: (p) => [Math.exp(-p * p), -2 * p * Math.exp(-p * p)],
    relu: (p) => [Math.max(p, 0), p > 0 ? 1 : 0],
    min0: (p) => [Math.min(p, 0), p <= 0 ? 1 : 0],
    abs: (p) => [Math.abs(p), sgn(p)],
    neg: (p) => [-p, -1],
    scale: (p) => [p, 1],
    shift: (p) => [p, 1],
    add: (p, q) => [p + q, 1, 1],
    sub: (p, q) => [p - q, 1, -1],
    mul: (p, q) => [p * q, q, p],
    div: (p, q) => [p / (q + E), 1 / (q + E), -p / (q + E) ** 2],
    ratio: (p, q) => [p / (p + q + E), (q + E) / (p + q + E) ** 2, -p / (p + q + E) ** 2],
    max: (p, q) => [Math.max(p, q), p > q ? 1 : p === q ? 0.5 : 0, q > p ? 1 : p === q ? 0.5 : 0],
    min: (p, q) => [Math.min(p, q), p < q ? 1 : p === q ? 0.5 : 0, q < p ? 1 : p === q ? 0.5 : 0],
    gate: (p, q) => [p * sigmoid(q), sigmoid(q), p * sigmoid(q) * (1 - sigmoid(q))],
    gaussdiff: (p, q) => {
      const a = Math.exp(-((p - q) ** 2));
      return [a, -2 * (p - q) * a, 2 * (p - q) * a];
    },
    expdiff: (p, q) => {
      const a = Math.exp(-Math.abs(p - q));
      return [a, -sgn(p - q) * a, sgn(p - q) * a];
    },
    mix: (p) => [p, 1, 0],
  };

  const SURROGATES = {
    clipped_identity: (a, clip) => (Math.abs(a) < clip ? 1 : 0),
    approxsign: (a, clip) => Math.max(0, 2 - (2 * Math.abs(a)) / clip),
    annealed_tanh: (a) => 10 * (1 - Math.tanh(10 * a) ** 2),
  };

  const known = (tree) => tree[0] in TABLE && tree.slice(1).every(known);

  /** Returns [a(x), a'(x)]. */
  function value(tree, x) {
    if (tree.length === 1) return TABLE[tree[0]](x);
    const parts = tree.slice(1).map((part) => value(part, x));
    const [found, ...slopes] = TABLE[tree[0]](...parts.map((part) => part[0]));
    return [found, slopes.reduce((sum, slope, place) => sum + slope * parts[place][1], 0)];
  }

  /** Returns {x, a, slope, gradient} at 601 points of [-3, 3]; null where a form or the surrogate is not known here. */
  function sampled(tree, [surrogate, clip]) {
    if (!known(tree) || !(surrogate in SURROGATES)) return null;
    const x = Array.from({ length: 601 }, (_, place) => (place - 300) / 100);
    const found = x.map((one) => value(tree, one));
    const gradient = found.map(([a, slope]) => {
      const before = SURROGATES[surrogate](a, clip);
      return before === 0 ? 0 : before * slope;
    });
    return { x, a: found.map((one) => one[0]), slope: found.map((one) => one[1]), gradient };
  }

  /** Returns the formula of an expression, with x for its argument, and the letters of its learnable numbers. */
  function formula(tree, forms) {
    const letters = {};
    const written = (part) => {
      const [name, ...rest] = part;
      const spec = forms[name];
      if (!spec) return [`${name}(${rest.map((one) => written(one)[0]).join(", ")})`, true];
      const values = rest.map(written);
      let text = spec.formula.replace(/([a-z]{2,}) p$/, "$1(p)");
      for (const letter of spec.learnable) {
        letters[letter] = (letters[letter] || 0) + 1;
        const index = letters[letter] > 1 ? subscript(letters[letter]) : "";
        text = text.replace(new RegExp(`\\b${letter}\\b`, "g"), letter + index);
      }
      const whole = text;
      text = text.replace(/\b[pq]\b/g, (letter, at) => {
        const [inner, atomic] = values[letter === "p" ? 0 : 1];
        return atomic || enclosed(whole, at) ? inner : `(${inner})`;
      });
      return [text, !rest.length || /^(\w+\([^()]*(\([^()]*\))?[^()]*\)|\|[^|]*\|)$/.test(whole)];
    };
    return polished(written(tree)[0]);
  }

  /** Tells whether a letter fills the brackets around it, so that it needs none of its own. */
  const enclosed = (text, at) =>
    (/(\w\(|\||, )$/.test(text.slice(0, at)) && /^[pq](\)|\||, )/.test(text.slice(at)));

  const subscript = (number) => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

  const polished = (text) =>
    text.replaceAll("1e-8", "ε").replaceAll("^2", "²").replaceAll("^3", "³").replaceAll("-", "−");

  return { sampled, formula, known, erf, value };
})();
