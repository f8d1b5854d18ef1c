"use strict";
/* A cell as a staircase, as evobnn/analysis/pictures/plots.py draws it: each node a step below the one before, its
   operations in boxes on its left; a line goes down from a node and right to each box that reads it. */

const Drawing = (() => {
  const PITCH = 80, LEAD = 50, STEP = 29, TOP = 16, LEFT = 31, BOX = 44;
  const GREY = "#8A8A8A";

  /** Returns an SVG element for edges [source, target, operation]; edges without effect are dashed and pale. */
  function cell(edges, operations, title) {
    const last = Math.max(1, ...edges.map((edge) => edge[1]));
    const live = Genome.live(edges, operations);
    const into = {};
    for (let node = 2; node <= last; node++) into[node] = [];
    edges.forEach((edge, place) => into[edge[1]].push([edge, live.has(place)]));
    const x = (node) => LEFT + PITCH * node;
    const y = { 0: TOP, 1: TOP + 36 };
    for (let node = 2; node <= last; node++) {
      const above = node > 2 ? Math.max(into[node - 1].length, 1) : 1;
      y[node] = y[node - 1] + (STEP * (above + Math.max(into[node].length, 1))) / 2 + 12;
    }
    const end = x(last) + 34;
    const floor = y[last] + (STEP * Math.max((into[last] || []).length, 1)) / 2 + 6;
    const back = [], front = [];
    const lowest = {};
    for (let node = 2; node <= last; node++) {
      into[node].forEach(([[source, , operation], used], place) => {
        const spec = operations[operation] || { colour: "#222222", summary: "an operation of your own" };
        const high = y[node] + STEP * (place - (into[node].length - 1) / 2);
        const colour = used ? spec.colour : GREY;
        lowest[source] = Math.max(lowest[source] || 0, high);
        const edge = svg("g", { class: used ? "edge" : "edge unused", stroke: colour, fill: "none", "stroke-width": 2 });
        if (!used) edge.setAttribute("stroke-dasharray", "2 4");
        edge.append(
          svg("path", { d: `M${x(source)} ${high}H${x(node) - LEAD}L${x(node)} ${y[node]}` }),
          svg("circle", { cx: x(source), cy: high, r: 2.5, fill: colour, stroke: "none" }),
        );
        back.push(edge);
        const label = svg("g", { class: used ? "operation" : "operation unused" },
          svg("title", {}, `${operation}: ${spec.summary}${used ? "" : "; does nothing here"}`),
          svg("rect", { x: x(node) - LEAD - BOX / 2, y: high - 10, width: BOX, height: 20, rx: 5, fill: "#fff",
            stroke: colour, "stroke-width": 1.4, "stroke-dasharray": used ? "none" : "3 3" }),
          text(x(node) - LEAD, high, operation, colour, operation.length > 6 ? 9.5 : 12));
        front.push(label);
      });
      back.push(svg("path", { d: `M${x(node)} ${y[node]}H${end}`, stroke: "#222222", "stroke-width": 1 }));
    }
    const lines = Object.entries(lowest).map(([node, low]) =>
      svg("path", { d: `M${x(Number(node))} ${y[node]}V${low}`, stroke: GREY, "stroke-width": 1.2 }));
    const nodes = [0, 1].map((node) => boxed(x(node), y[node], 56, `input ${node}`));
    for (let node = 2; node <= last; node++)
      nodes.push(svg("g", {}, svg("circle", { cx: x(node), cy: y[node], r: 13, fill: "#F0F0F0", stroke: "#222222" }),
        text(x(node), y[node], String(node), "#222222", 12)));
    const output = last > 1 ? outputs(end, y[2] - 20, y[last] + 20) : [];
    const drawn = svg("svg", { viewBox: `0 0 ${end + 28} ${floor}`, class: "cell", role: "img", "data-edges": edges.length,
      "data-live": live.size, "aria-label": `${title}: ${edges.length} edges, ${live.size} of which do something` });
    drawn.style.maxWidth = `${1.15 * (end + 28)}px`;
    drawn.append(...lines, ...back, ...front, ...nodes, ...output);
    return drawn;
  }

  const text = (x, y, words, colour, size, more = {}) =>
    svg("text", { x, y, fill: colour, "font-size": size, "text-anchor": "middle", "dominant-baseline": "central", ...more },
      words);

  const boxed = (x, y, width, words) => svg("g", {},
    svg("rect", { x: x - width / 2, y: y - 12, width, height: 24, rx: 5, fill: "#F0F0F0", stroke: "#222222" }),
    text(x, y, words, "#222222", 12));

  const outputs = (x, top, bottom) => [
    svg("rect", { x, y: top, width: 26, height: bottom - top, fill: "#F0F0F0", stroke: "#222222" }),
    text(x + 13, (top + bottom) / 2, "output", "#222222", 12,
      { transform: `rotate(-90 ${x + 13} ${(top + bottom) / 2})` }),
  ];

  return { cell };
})();
