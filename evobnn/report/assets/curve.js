"use strict";
/* A function before the sign and the gradient that training uses, as SVG; the vertical range follows the bulk of both,
   so that a pole does not flatten everything else. */

const Curve = (() => {
  const WIDTH = 420, HEIGHT = 210, LEFT = 34, RIGHT = 10, TOP = 10, BOTTOM = 26;

  function bounds(values) {
    const finite = [...values.filter(Number.isFinite), -1, 1].sort((a, b) => a - b);
    const at = (share) => finite[Math.round(share * (finite.length - 1))];
    const [low, high] = [at(0.05), at(0.95)];
    const reach = 0.6 * (high - low);
    const least = Math.min(Math.max(finite[0], low - reach), -1);
    const most = Math.max(Math.min(finite[finite.length - 1], high + reach), 1);
    const margin = 0.06 * (most - least);
    return [least - margin, most + margin];
  }

  /** Returns an SVG element for what `Forms.sampled` found. */
  function plot({ x, a, gradient }, colours, title) {
    const [low, high] = bounds([...a, ...gradient]);
    const across = (value) => LEFT + ((value + 3) / 6) * (WIDTH - LEFT - RIGHT);
    const down = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": title });
    for (const [from, to] of stretches(x, a)) {
      const left = Math.max(across(from - 0.005), across(-3));
      drawn.append(svg("rect", { x: left, y: TOP, width: Math.min(across(to + 0.005), across(3)) - left,
        height: HEIGHT - TOP - BOTTOM, fill: colours.shade }));
    }
    for (const value of Words.ticks(low, high, false)) {
      drawn.append(svg("path", { d: `M${LEFT} ${down(value)}H${WIDTH - RIGHT}`, stroke: colours.grid }),
        label(LEFT - 6, down(value), String(Number(value.toPrecision(6))), "end", colours.note));
    }
    for (const value of [-3, -2, -1, 0, 1, 2, 3])
      drawn.append(label(across(value), HEIGHT - 10, String(value), "middle", colours.note));
    drawn.append(svg("path", { d: `M${LEFT} ${down(0)}H${WIDTH - RIGHT}`, stroke: colours.grey }));
    drawn.append(line(x, gradient, across, down, low, high, { stroke: colours.fresh, "stroke-width": 1.8, "stroke-dasharray": "5 3" }));
    drawn.append(line(x, a, across, down, low, high, { stroke: colours.measured, "stroke-width": 2.4 }));
    return drawn;
  }

  /** Returns the intervals in which the sign is +1; -0 counts, what is no number does not. */
  function stretches(x, a) {
    const found = [];
    a.forEach((value, place) => {
      if (!(value >= 0)) return;
      if (place && a[place - 1] >= 0) found[found.length - 1][1] = x[place];
      else found.push([x[place], x[place]]);
    });
    return found;
  }

  function line(x, values, across, down, low, high, style) {
    const height = high - low;
    let path = "", drawing = false;
    values.forEach((value, place) => {
      const leaps = place && Math.abs(value - values[place - 1]) > height;
      if (!Number.isFinite(value) || value < low - height || value > high + height) drawing = false;
      else {
        path += `${drawing && !leaps ? "L" : "M"}${across(x[place]).toFixed(1)} ${down(Math.min(Math.max(value, low), high)).toFixed(1)}`;
        drawing = true;
      }
    });
    return svg("path", { d: path, fill: "none", "stroke-linejoin": "round", ...style });
  }

  const label = (x, y, words, anchor, colour) => svg("text",
    { x, y, "font-size": 11, "text-anchor": anchor, "dominant-baseline": "central", fill: colour }, words);

  return { plot };
})();
