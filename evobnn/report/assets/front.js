"use strict";
/* The picture of all networks over two axes, drawn by Bokeh. Fresh scores are what is quoted, so where there are some
   the front stands at these. */

const Front = (() => {
  const { plotting, colours } = { plotting: Bokeh.Plotting, colours: Data.all.colours };
  const place = document.getElementById("front");
  let sources = {}, view = null, range = null, turn = 0;

  const isObjective = (name) => Data.objectives.includes(name);
  const empty = () => ({ x: [], y: [], low: [], high: [], colour: [], face: [], alpha: [], run: [], row: [], name: [], over: [],
    of: [], origin: [] });

  /** Returns where a network lies, or null where it has no such values: at its fresh scores, where these are asked for
      and there are some, with their deviation. */
  function placed(run, row) {
    const { x, y, fresh } = View.state;
    const values = [x, y].map((name) => Data.value(run, row, name));
    if (values.some((value) => value === null)) return null;
    const again = fresh ? run.fresh[run.columns.id[row]] : null;
    if (!again) return { at: values, sd: null, again: null };
    return { at: [x, y].map((name, which) => again.mean[name] ?? values[which]), sd: isObjective(y) ? again.sd[y] : null, again };
  }

  /** Returns the points of everyone tried, and of the members of the front, as columns. */
  function points() {
    const tried = empty(), front = empty();
    let shown = 0, total = 0, without = 0;
    for (const run of Data.runs) {
      const columns = run.columns;
      const refreshed = View.state.fresh && Object.keys(run.fresh).length > 0;
      total += columns.id.length;
      for (let row = 0; row < columns.id.length; row++) {
        const found = placed(run, row);
        if (!found) without += 1;
        if (!found || !View.passes(run, row)) continue;
        shown += 1;
        const own = Data.many ? Data.colour(run) : colours.measured;
        const member = refreshed ? found.again : columns.front[row];
        const face = found.again && !found.again.holds ? "#ffffff" : own;
        const colour = member || Data.many ? own : colours.grey;
        put(member ? front : tried, run, row, found, colour, member ? face : colour);
      }
    }
    return { tried, front, shown, total, without };
  }

  /** Draws the ring around the chosen network. */
  function ring() {
    const data = empty(), { chosen } = View.state;
    const found = chosen && View.passes(chosen.run, chosen.row) ? placed(chosen.run, chosen.row) : null;
    if (found) put(data, chosen.run, chosen.row, found, colours.ink, colours.ink);
    sources.ring.data = data;
  }

  function put(into, run, row, { at: [x, y], sd, again }, colour, face) {
    const { state } = View;
    into.x.push(x);
    into.y.push(y);
    into.low.push(y - (sd || 0));
    into.high.push(y + (sd || 0));
    into.colour.push(colour);
    into.face.push(face);
    into.alpha.push(face === "#ffffff" ? 0.55 : 1);
    into.run.push(run.number);
    into.row.push(row);
    into.name.push(Data.title(run, row));
    const n = again ? `${again.n} fresh` : `n = ${run.columns.n[row]}`;
    into.of.push(`${Words.named(state.y)}: ${Words.spread(state.y, y, sd, again ? again.n : 1)}${isObjective(state.y) ? ` (${n})` : ""}`);
    into.over.push(`${Words.named(state.x)}: ${Words.quantity(state.x, x)}`);
    into.origin.push(`${Data.origin(run, row)}, generation ${run.columns.born[row]}`);
  }

  const TOOLTIP = `<div class="tip"><b>@name</b><div>@of</div><div>@over</div><div class="tip-origin">@origin</div></div>`;

  function formatter(name) {
    const format = Words.SHARES.has(name) ? "0.[0] %" : "0.[00]a";
    return new Bokeh.NumeralTickFormatter({ format });
  }

  function padded({ low, high, log }, share) {
    if (!Number.isFinite(low)) return [0, 1];
    if (low === high) return log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
    if (log) return [low / (high / low) ** share, high * (high / low) ** share];
    return [low - share * (high - low), high + share * (high - low)];
  }

  function build() {
    const { x, y } = View.state;
    const across = View.extent(x), up = View.extent(y);
    const [left, right] = padded(across, 0.05), [bottom, top] = padded(up, 0.06);
    const crowd = Data.runs.reduce((sum, run) => sum + run.columns.id.length, 0);
    const onFront = Data.runs.reduce((sum, run) => sum + run.columns.front.reduce((a, b) => a + b, 0), 0);
    range = { left, right, bottom: Words.SHARES.has(y) ? Math.max(bottom, 0) : bottom, top };
    const figure = plotting.figure({
      height: Math.max(360, Math.min(520, window.innerHeight - 330)), sizing_mode: "stretch_width", min_width: 280,
      x_axis_type: across.log ? "log" : "linear", y_axis_type: up.log ? "log" : "linear",
      x_range: new Bokeh.Range1d({ start: left, end: right }), y_range: new Bokeh.Range1d({ start: range.bottom, end: top }),
      tools: "pan,box_zoom,wheel_zoom,tap,save,reset", toolbar_location: "above", background_fill_color: "#ffffff",
      border_fill_color: "#ffffff", outline_line_color: null,
      output_backend: crowd > 2000 ? "webgl" : "canvas",
    });
    dress(figure, `${Words.named(x)}${across.log ? " (log scale)" : ""}`, Words.named(y), formatter(x), formatter(y));
    ticked(figure.xaxis, figure.xgrid, figure.x_range, across.log, window.innerWidth < 640 ? 6 : 9);
    ticked(figure.yaxis, figure.ygrid, figure.y_range, up.log, 9);
    figure.toolbar.logo = null;
    sources = Object.fromEntries(["tried", "front", "ring", "bands", "steps"].map(
      (name) => [name, new Bokeh.ColumnDataSource({ data: name === "bands" || name === "steps" ? { xs: [], ys: [], colour: [], width: [] } : empty() })]));
    figure.patches({ field: "xs" }, { field: "ys" }, { source: sources.bands, fill_color: { field: "colour" }, fill_alpha: 0.16,
      line_color: null });
    const tried = figure.scatter({ field: "x" }, { field: "y" }, { source: sources.tried, size: Data.many ? 5 : crowd > 2000 ? 4 : 6,
      fill_color: { field: "colour" }, fill_alpha: Data.many ? 0.35 : crowd > 2000 ? 0.3 : 0.6, line_color: null });
    figure.multi_line({ field: "xs" }, { field: "ys" }, { source: sources.steps, line_color: { field: "colour" },
      line_width: { field: "width" }, line_alpha: 0.75 });
    figure.segment({ field: "x" }, { field: "low" }, { field: "x" }, { field: "high" }, { source: sources.front,
      line_color: { field: "colour" }, line_alpha: { field: "alpha" }, line_width: 1.4 });
    const front = figure.scatter({ field: "x" }, { field: "y" }, { source: sources.front, size: onFront > 150 ? 6 : onFront > 40 ? 8 : 11,
      fill_color: { field: "face" }, line_color: { field: "colour" }, line_alpha: { field: "alpha" }, line_width: 1.6 });
    figure.scatter({ field: "x" }, { field: "y" }, { source: sources.ring, size: 20, fill_color: null, line_color: colours.ink,
      line_width: 2 });
    for (const drawn of [tried, front]) drawn.nonselection_glyph = drawn.selection_glyph = drawn.glyph;
    figure.add_tools(new Bokeh.HoverTool({ renderers: [front, tried], tooltips: TOOLTIP, point_policy: "snap_to_data" }));
    for (const name of ["front", "tried"])
      sources[name].selected.properties.indices.change.connect(() => {
        const [first] = sources[name].selected.indices;
        if (first === undefined) return;
        const { run, row } = sources[name].data;
        View.choose(Data.runs[run[first]], row[first]);
      });
    const own = ++turn;
    renew();
    if (view) view.remove();
    view = null;
    place.replaceChildren();
    plotting.show(figure, place).then((found) => (own === turn ? (view = found) : found.remove()));
  }

  /** Labels an axis with round numbers, anew whenever its range changes. */
  function ticked(axis, grid, range, log, most) {
    const ticker = new Bokeh.FixedTicker({ ticks: [] });
    axis.ticker = grid.ticker = ticker;
    const renewed = () => (ticker.ticks = Words.ticks(Math.min(range.start, range.end), Math.max(range.start, range.end), log, most));
    range.properties.start.change.connect(renewed);
    range.properties.end.change.connect(renewed);
    renewed();
  }

  /** Puts evobnn's style on a figure. */
  function dress(figure, xLabel, yLabel, xFormat, yFormat) {
    const font = "Inter, system-ui, -apple-system, 'Segoe UI', sans-serif";
    for (const [axis, label, formatter] of [[figure.xaxis, xLabel, xFormat], [figure.yaxis, yLabel, yFormat]]) {
      Object.assign(axis, { axis_label: label, formatter, axis_line_color: colours.note, major_tick_line_color: colours.note,
        minor_tick_line_color: null, major_label_text_color: colours.ink, axis_label_text_color: colours.ink,
        axis_label_text_font_style: "normal", axis_label_text_font: font, major_label_text_font: font,
        major_label_text_font_size: "12px", axis_label_text_font_size: "13px" });
    }
    for (const grid of [figure.xgrid, figure.ygrid]) grid.grid_line_color = colours.grid;
  }

  function renew() {
    const { tried, front, ...counts } = points();
    for (const [name, data] of Object.entries({ tried, front })) {
      sources[name].selected.indices = [];
      sources[name].data = data;
    }
    const lines = surfaces();
    sources.bands.data = lines.bands;
    sources.steps.data = lines.steps;
    note(counts, lines.banded);
    ring();
  }

  /** Returns the staircase of each run's front, or the attainment surfaces of groups of runs. */
  function surfaces() {
    const { x, y, fresh } = View.state;
    const bands = { xs: [], ys: [], colour: [], width: [] }, steps = { xs: [], ys: [], colour: [], width: [] };
    let banded = false;
    if (!isObjective(x) || !isObjective(y) || x === y) return { bands, steps, banded };
    const draw = (surface, colour, width) => {
      const path = stairs(surface.filter(([, value]) => value !== null));
      steps.xs.push(path.map((point) => point[0]));
      steps.ys.push(path.map((point) => point[1]));
      steps.colour.push(colour);
      steps.width.push(width);
    };
    for (const group of Data.groups) {
      const shown = group.filter((run) => View.state.runs.has(run.number));
      const fronts = shown.map((run) => reached(run, x, y, fresh)).filter((one) => one.length);
      const [best, middle, worst] = Data.ranks(fronts.length);
      if (group.length < 2 || fronts.length < 2) {
        if (Data.objectives.length === 2) fronts.forEach((one) => draw(Data.attained([one], 1), Data.many ? Data.colour(shown[0]) : colours.measured, 2));
        continue;
      }
      banded = true;
      const low = Data.attained(fronts, best), high = Data.attained(fronts, worst);
      const lower = stairs(low.map(([at, value]) => [at, value ?? range.top]));
      const upper = stairs(high.map(([at, value]) => [at, value ?? range.top]));
      bands.xs.push([...lower, ...upper.reverse()].map((point) => point[0]));
      bands.ys.push([...lower, ...upper].map((point) => point[1]));
      bands.colour.push(Data.groupColour(group));
      bands.width.push(0);
      draw(Data.attained(fronts, middle), Data.groupColour(group), 2.6);
    }
    return { bands, steps, banded };
  }

  /** Points that a run reached, by fresh scores where these are asked for and it has some. */
  function reached(run, x, y, fresh) {
    const again = fresh && Object.keys(run.fresh).length > 0;
    return run.columns.id.map((_, row) => [Data.value(run, row, x, again), Data.value(run, row, y, again)])
      .filter((point) => point.every((value) => value !== null));
  }

  function stairs(points) {
    const path = [];
    points.forEach(([at, value], place) => {
      if (place) path.push([at, points[place - 1][1]]);
      path.push([at, value]);
    });
    if (path.length) path.push([range.right, path[path.length - 1][1]]);
    return path;
  }

  function note({ shown, total, without }, banded) {
    const key = (mark, words) => el("span", { class: "key" }, el("i", { class: mark }), words);
    const parts = [el("b", { id: "shown" }, `${Words.whole(shown)} of ${Words.counted(total, "network")} shown`),
      without ? `, ${Words.whole(without)} without these values. ` : ". "];
    if (!Data.many) parts.push(key("dot", "tried by the search"));
    if (View.state.fresh) parts.push(key("full", "front, mean of fresh seeds ± sd"), key("open", "no longer on it by these"));
    else parts.push(key("full", "front by the search's own scores"));
    if (banded) {
      const sizes = Data.groups.map((group) => group.length).filter((size) => size > 1);
      const words = Math.max(...sizes) < 4 ? "best to worst" : Math.min(...sizes) < 4 ? "quartiles, of two or three runs best to worst" : "quartiles";
      parts.push(key("band", `attainment: median of runs, and ${words}`));
      if (Data.groups.length > 1)
        for (const group of Data.groups) {
          const mark = el("i", { class: "full", style: `background:${Data.groupColour(group)}` });
          parts.push(el("span", { class: "key" }, mark, `${Data.groupName(group)} (${Words.counted(group.length, "run")})`));
        }
    }
    document.getElementById("front-note").replaceChildren(...parts);
  }

  /** Where on the page a network lies, in pixels; null where it is not drawn. For tests. */
  function whereIs(number, id) {
    for (const name of ["front", "tried"]) {
      const { run, row, x, y } = sources[name].data;
      const at = run.findIndex((one, place) => one === number && Data.runs[one].columns.id[row[place]] === id);
      if (at < 0 || !view) continue;
      const box = view.el.getBoundingClientRect();
      return [box.left + view.frame.x_scale.compute(x[at]), box.top + view.frame.y_scale.compute(y[at])];
    }
    return null;
  }

  return { build, renew, ring, dress, whereIs };
})();
