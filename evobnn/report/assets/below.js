"use strict";
/* Hypervolume over evaluations, failures by cause, and the members of the front as a table. */

const Below = (() => {
  const { colours } = Data.all;

  function hypervolume() {
    const place = document.getElementById("hypervolume");
    const note = document.getElementById("hypervolume-note");
    const told = Data.runs.filter((run) => run.hypervolume.length);
    if (!told.length) {
      note.textContent = "Not measured: the objectives of this run have no bounds, which the box needs.";
      return;
    }
    const figure = Bokeh.Plotting.figure({ height: 280, sizing_mode: "stretch_width", min_width: 260, tools: "pan,box_zoom,save,reset",
      toolbar_location: "above", outline_line_color: null });
    figure.toolbar.logo = null;
    Front.dress(figure, "evaluations", "hypervolume (0 to 1)", new Bokeh.NumeralTickFormatter({ format: "0,0" }),
      new Bokeh.NumeralTickFormatter({ format: "0.[000]" }));
    let banded = false;
    for (const group of Data.groups) {
      const own = group.filter((run) => run.hypervolume.length);
      if (own.length > 1) {
        banded = true;
        band(figure, own);
      }
    }
    for (const run of told) {
      const source = new Bokeh.ColumnDataSource({ data: { x: run.hypervolume.map((one) => one[0]), y: run.hypervolume.map((one) => one[1]),
        generation: run.hypervolume.map((one) => one[2]), name: run.hypervolume.map(() => run.name),
        value: run.hypervolume.map((one) => one[1].toFixed(4)) } });
      const colour = Data.many ? Data.colour(run) : colours.measured;
      figure.step({ field: "x" }, { field: "y" }, "after", { source, line_color: colour, line_width: banded ? 1.2 : 2.4,
        line_alpha: banded ? 0.45 : 1 });
      const dots = figure.scatter({ field: "x" }, { field: "y" }, { source, size: banded || run.hypervolume.length > 60 ? 3 : 6,
        fill_color: colour, line_color: null, fill_alpha: banded ? 0.5 : 1 });
      figure.add_tools(new Bokeh.HoverTool({ renderers: [dots],
        tooltips: `<div class="tip"><b>@value</b><div>@name, generation @generation</div><div>@x{0,0} evaluations</div></div>` }));
    }
    Bokeh.Plotting.show(figure, place);
    note.textContent = "Part of the box between the best that the space can reach and guessing that the front dominates; more is better." +
      (banded ? " Thick: median of runs; shaded: as in the front." : "");
  }

  function band(figure, runs) {
    const places = [...new Set(runs.flatMap((run) => run.hypervolume.map((one) => one[0])))].sort((a, b) => a - b);
    const end = Math.min(...runs.map((run) => run.hypervolume[run.hypervolume.length - 1][0]));
    const rows = places.filter((at) => at <= end && runs.every((run) => run.hypervolume[0][0] <= at)).map((at) => {
      const values = runs.map((run) => run.hypervolume.filter((one) => one[0] <= at).pop()[1]).sort((a, b) => a - b);
      return [at, ...Data.ranks(values.length).map((rank) => values[rank - 1])];
    });
    const x = [], low = [], middle = [], high = [];
    rows.forEach((row, place) => {
      for (const from of place ? [rows[place - 1], row] : [row]) {
        x.push(row[0]);
        low.push(from[1]);
        middle.push(from[2]);
        high.push(from[3]);
      }
    });
    const source = new Bokeh.ColumnDataSource({ data: { x, low, middle, high } });
    const colour = Data.groupColour(runs);
    figure.varea({ field: "x" }, { field: "low" }, { field: "high" }, { source, fill_color: colour, fill_alpha: 0.16 });
    figure.line({ field: "x" }, { field: "middle" }, { source, line_color: colour, line_width: 2.8 });
  }

  /** Causes of all runs; those of several that differ in numbers alone are one. */
  function causes() {
    const found = new Map();
    for (const run of Data.runs)
      for (const one of run.failures) {
        const key = `${one.status} ${one.message.replace(/\d+([.,]\d+)*/g, "#")}`;
        if (!found.has(key)) found.set(key, { ...one, count: 0, who: [] });
        found.get(key).count += one.count;
        found.get(key).who.push(...one.ids.map((id) => [run, id]));
      }
    return [...found.values()];
  }

  function failures() {
    const place = document.getElementById("failures");
    const found = causes();
    if (!found.length) {
      place.append(el("p", { class: "calm" }, "None: every evaluation ended ok."));
      return;
    }
    const most = Math.max(...found.map((one) => one.count));
    const total = Data.runs.reduce((sum, run) => sum + run.evaluations, 0);
    found.sort((a, b) => b.count - a.count);
    for (const one of found)
      place.append(el("div", { class: "cause" },
        el("div", { class: "cause-head" }, el("b", {}, one.status), el("span", {}, `${Words.whole(one.count)} of ${Words.counted(total, "evaluation")}`)),
        el("div", { class: "bar" }, el("i", { style: `width:${Math.max(1, (100 * one.count) / most)}%`, class: one.status })),
        el("p", {}, one.message || (one.status === "pruned" ? "stopped at a rung of successive halving; nothing is wrong with it" : "no message"),
          one.who.length ? [" ", one.who.slice(0, 3).map(([run, id], place) => [place ? ", " : "", Details.link(run, id)])] : null)));
  }

  function members() {
    const place = document.getElementById("members");
    const names = Data.objectives;
    const head = ["id", ...names.map((name) => `${Words.named(name)}${Data.freshAnywhere && measured(name) ? ", search" : ""}`),
      ...(Data.freshAnywhere ? names.filter(measured).map((name) => `${Words.named(name)}, fresh`) : []), "n", "origin", "generation",
      ...(Data.freshAnywhere ? ["holds"] : [])];
    const rows = [];
    for (const run of Data.runs)
      run.columns.id.forEach((id, row) => (run.columns.front[row] || run.fresh[id] ? rows.push([run, row]) : null));
    const score = ([run, row]) => Data.value(run, row, names[0], run.columns.id[row] in run.fresh) ?? Infinity;
    rows.sort((one, other) => score(one) - score(other));
    const body = rows.slice(0, 400).map(([run, row]) => {
      const id = run.columns.id[row], again = run.fresh[id];
      const cells = names.map((name) => Words.quantity(name, Data.value(run, row, name)));
      if (Data.freshAnywhere)
        cells.push(...names.filter(measured).map((name) => (again ? Words.spread(name, again.mean[name], again.sd[name], again.n) : "–")));
      cells.push(again ? `${run.columns.n[row]} + ${again.n}` : String(run.columns.n[row]), Data.origin(run, row), String(run.columns.born[row]));
      if (Data.freshAnywhere) cells.push(again ? (again.holds ? "yes" : "no") : "–");
      return el("tr", {}, el("td", {}, Details.link(run, id)), cells.map((text) => el("td", {}, text)));
    });
    place.append(el("table", {}, el("thead", {}, el("tr", {}, head.map((name) => el("th", {}, name)))), el("tbody", {}, body)));
    if (rows.length > 400) place.append(el("p", { class: "note" }, `The best 400 of ${rows.length}.`));
  }

  /** Tells whether an objective differs from seed to seed. */
  const measured = (name) => Data.runs.some((run) => Object.entries(run.fresh).some(([id, one]) =>
    name in one.mean && one.mean[name] !== Data.value(run, run.row.get(Number(id)), name)));

  return { hypervolume, failures, members };
})();
