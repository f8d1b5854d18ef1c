"use strict";
/* One network: its scores, cells, functions, costs, ancestors, and the command that trains it. */

const Details = (() => {
  const place = document.getElementById("details");
  const COSTS = ["ops", "binary_macs", "real_macs", "binary_share", "elementwise", "bits", "parameters", "latency"];

  const link = (run, id) => {
    const row = run.row.get(id);
    const words = Data.many ? `${run.name}:${id}` : `id ${id}`;
    if (row === undefined) return el("span", { class: "gone" }, `${words}, not of this run`);
    return el("button", { type: "button", class: "link", onclick: () => {
      View.choose(run, row);
      if (place.getBoundingClientRect().top > window.innerHeight || place.getBoundingClientRect().bottom < 0)
        place.scrollIntoView({ behavior: "smooth" });
    } }, words);
  };

  const block = (title, ...parts) => el("div", { class: "block" }, el("h3", {}, title), ...parts);

  function show() {
    const { run, row } = View.state.chosen;
    const columns = run.columns;
    const id = columns.id[row];
    const genome = Genome.parse(columns.genome[row]);
    place.replaceChildren(
      el("div", { class: "heading" }, el("h2", { id: "chosen" }, Data.title(run, row)), badges(run, row)),
      command(run, id), scores(run, row), ...cells(genome), ...functions(run, genome),
      el("div", { class: "two" }, costs(run, row), lineage(run, row)),
      block("Genome", el("code", { class: "genome" }, columns.genome[row])));
    place.dataset.run = run.number;
    place.dataset.id = id;
  }

  function badges(run, row) {
    const found = [`generation ${run.columns.born[row]}`, Data.origin(run, row)];
    const again = run.fresh[run.columns.id[row]];
    if (again && again.holds) found.push("on the front by fresh scores");
    else if (again) found.push("no longer on the front");
    else if (run.columns.front[row]) found.push("on the front");
    if (run.columns.survivor[row]) found.push("survivor");
    return el("div", { class: "badges" }, found.map((words) => el("span", {}, words)));
  }

  function command(run, id) {
    const words = `${run.train[0]}${id}${run.train[1]}`;
    const copy = el("button", { type: "button", class: "copy", onclick: () => {
      const done = (text) => (copy.textContent = text);
      if (navigator.clipboard) navigator.clipboard.writeText(words).then(() => done("copied"), () => done("select it"));
      else done("select it");
    } }, "copy");
    return el("div", { class: "command" }, el("code", { id: "command" }, words), copy);
  }

  function scores(run, row) {
    const columns = run.columns, again = run.fresh[columns.id[row]];
    const head = ["", `search, n = ${columns.n[row]}`, ...(again ? [`fresh, n = ${again.n}`] : [])];
    const rows = run.objectives.map((name) => el("tr", {}, el("td", { title: Words.meaning(name) }, Words.named(name)),
      el("td", {}, Words.quantity(name, Data.value(run, row, name))),
      again ? el("td", {}, Words.spread(name, again.mean[name], again.sd[name], again.n)) : null));
    const bounds = Object.entries(run.constraints).map(([name, most]) => `${Words.named(name)} ≤ ${Words.quantity(name, most)}`);
    return el("div", { class: "block scores" },
      ended(run, row),
      el("table", {}, el("thead", {}, el("tr", {}, head.map((words) => el("th", {}, words)))), el("tbody", {}, rows)),
      bounds.length ? el("p", { class: "note" }, `Bounds of this run: ${bounds.join(", ")}.`) : null);
  }

  /** Says how it ended where it has no scores. */
  function ended(run, row) {
    const status = Data.status(run, row), [first] = run.objectives;
    if (!status || status === "ok" || (first && Data.value(run, row, first) !== null)) return null;
    const usual = status === "pruned" ? "stopped at a rung of successive halving; nothing is wrong with it" : "no message";
    return el("p", { class: "failed" }, `${status}: ${run.columns.messages[run.columns.id[row]] || usual}`);
  }

  function cells(genome) {
    const kinds = Object.keys(genome.cells);
    if (!kinds.length) return [block("Cells", el("p", { class: "calm" }, "None in the genome: residual blocks, whose functions are searched."))];
    const drawn = kinds.map((kind) => {
      const edges = genome.cells[kind];
      const unused = edges.length - Genome.live(edges, Data.all.operations).size;
      return el("figure", {}, el("figcaption", {}, `${kind} cell`, unused ? el("small", {}, ` dashed: does nothing (${unused} of ${edges.length})`) : null),
        Drawing.cell(edges, Data.all.operations, `${kind} cell`));
    });
    return [block("Cells", el("div", { class: "cells" }, drawn))];
  }

  function functions(run, genome) {
    const sites = Object.entries(genome.sites);
    if (!sites.length) return [];
    const byText = new Map();
    for (const [site, text] of sites) byText.set(text, [...(byText.get(text) || []), site]);
    const drawn = [...byText].map(([text, where]) => {
      const simple = run.simplified[text] || text;
      const sampled = Forms.sampled(Genome.tree(simple), run.surrogate);
      const title = `before the sign ${where.map(whereWords).join(", ")}`;
      return el("figure", {}, el("figcaption", {}, title),
        el("div", { class: "formula" }, `a(x) = ${Forms.formula(Genome.tree(simple), Data.all.forms)}`),
        el("code", {}, where.map((site) => `@${site}`).join(" "), ` = ${text}`),
        sampled ? Curve.plot(sampled, Data.all.colours, `${title}: ${text}`)
          : el("p", { class: "calm" }, "Not drawn: a form or surrogate of your own, which this page cannot compute."));
    });
    const words = { clipped_identity: `1[|a| < ${run.surrogate[1]}] a′(x)`, approxsign: `max(0, 2 − 2|a| / ${run.surrogate[1]}) a′(x)` };
    const [surrogate] = run.surrogate;
    const key = (mark, text) => el("span", { class: "key" }, el("i", { class: mark }), text);
    return [block("Before the sign", el("div", { class: "functions" }, drawn), el("p", { class: "note" }, key("line", "a(x)"),
      key("dashes", `its gradient in training, ${words[surrogate] || surrogate}`), key("area", "sign is +1"),
      " Learnable numbers as they begin."))];
  }

  const whereWords = (site) => (site === "net" ? "everywhere" : site.includes("/") ? `at node ${site.split("/")[1]} of ${site.split("/")[0]}` : `in ${site}`);

  function costs(run, row) {
    const all = [...run.objectives, ...Object.keys(run.columns.measures)].filter((name) => Data.value(run, row, name) !== null);
    const ordered = [...COSTS.filter((name) => all.includes(name)), ...all.filter((name) => !COSTS.includes(name) && !run.objectives.includes(name))];
    if (!ordered.length) return block("Costs", el("p", { class: "calm" }, "Nothing was counted."));
    const line = (name) => {
      const value = Data.value(run, row, name);
      const more = name === "bits" ? ` (${(value / 8192).toFixed(1)} KiB)` : "";
      return el("tr", {}, el("td", { title: Words.meaning(name) }, Words.named(name)), el("td", {}, Words.quantity(name, value) + more));
    };
    return block("Costs and measures", el("table", { id: "costs" }, el("tbody", {}, ordered.map(line))));
  }

  function lineage(run, row) {
    const seen = new Set();
    const walk = (id, depth) => {
      const place = run.row.get(id);
      if (place === undefined) return el("li", {}, link(run, id));
      const parents = run.columns.parents[place];
      const told = `${Data.origin(run, place)}, gen. ${run.columns.born[place]}`;
      const name = run.objectives[0];
      const score = name ? `, ${Words.quantity(name, Data.value(run, place, name))}` : "";
      const again = seen.has(id);
      seen.add(id);
      return el("li", {}, depth ? link(run, id) : el("b", {}, Data.title(run, place)), el("small", {}, ` ${told}${score}`),
        parents.length && depth < 3 && !again ? el("ul", {}, parents.map((parent) => walk(parent, depth + 1)))
          : parents.length ? el("small", {}, " …") : null);
    };
    const id = run.columns.id[row];
    const children = run.columns.id.filter((_, other) => run.columns.parents[other].includes(id));
    const parts = [el("ul", { class: "lineage" }, walk(id, 0))];
    if (children.length)
      parts.push(el("p", { class: "note" }, `${Words.counted(children.length, "child").replace("childs", "children")}: `,
        children.slice(0, 8).map((child) => [link(run, child), " "]).flat(), children.length > 8 ? "…" : null));
    return block("Lineage", ...parts);
  }

  return { show, link };
})();
