"use strict";
/* What the page shows: the runs, and one network at a time by its run and row. */

const Data = (() => {
  const all = JSON.parse(document.getElementById("data").textContent);
  const runs = all.runs;
  runs.forEach((run, number) => {
    run.number = number;
    run.row = new Map(run.columns.id.map((id, row) => [id, row]));
  });
  const many = runs.length > 1;
  const objectives = [...new Set(runs.flatMap((run) => run.objectives))];
  const measures = [...new Set(runs.flatMap((run) => Object.keys(run.columns.measures)))].filter(
    (name) => !objectives.includes(name));
  const origins = [...new Set(runs.flatMap((run) => run.columns.origins))];
  const groups = [];
  for (const run of runs) (groups[run.group] = groups[run.group] || []).push(run);
  const grouped = groups.some((group) => group.length > 1);
  const freshAnywhere = runs.some((run) => Object.keys(run.fresh).length > 0);

  /** Colour of a run: its own, or that of its group where runs of one experiment are held against others. */
  const colour = (run) => {
    const list = all.colours.runs;
    return list[(grouped && groups.length > 1 ? run.group : run.number) % list.length];
  };
  const groupColour = (group) => (groups.length > 1 ? colour(group[0]) : all.colours.measured);

  /** What a group is called: what its experiment has that others have not. */
  function groupName(group) {
    const about = group[0].about;
    const telling = Object.keys(about).filter(
      (key) => key !== "seed" && new Set(groups.map((one) => JSON.stringify(one[0].about[key]))).size > 1);
    const words = (telling.length ? telling : ["preset"]).map((key) => String(about[key] ?? "–"));
    return words.join(", ");
  }

  /** Value of an objective or measure; of fresh scores where these are asked for and there are some. */
  function value(run, row, name, fresh = false) {
    const columns = run.columns;
    if (name === "asked" || name === "born") return columns[name][row];
    if (fresh && name in columns.objectives) {
      const found = run.fresh[columns.id[row]];
      return found ? found.mean[name] : null;
    }
    const column = columns.objectives[name] || columns.measures[name];
    return column ? column[row] : null;
  }

  const origin = (run, row) => run.columns.origins[run.columns.origin[row]];
  const status = (run, row) => run.columns.statuses[run.columns.status[row]];
  const title = (run, row) => (many ? `${run.name}:${run.columns.id[row]}` : `id ${run.columns.id[row]}`);

  /** Places of the points that no other dominates, both numbers of each to be small; sorted by the first. */
  function staircase(points) {
    const order = points.map((_, place) => place).sort(
      (a, b) => points[a][0] - points[b][0] || points[a][1] - points[b][1]);
    let best = Infinity;
    return order.filter((place) => points[place][1] < best && ((best = points[place][1]), true));
  }

  /** The k-th attainment surface of fronts [[x, y], ...]: at each x the k-th least of what the fronts reach there
      (Grunert da Fonseca, Fonseca and Hall 2001); y is null where fewer than k fronts reach that far. */
  function attained(fronts, k) {
    const places = [...new Set(fronts.flat().map((point) => point[0]))].sort((a, b) => a - b);
    const reach = fronts.map((front) => {
      const steps = staircase(front).map((place) => front[place]);
      let at = -1;
      return places.map((x) => {
        while (at + 1 < steps.length && steps[at + 1][0] <= x) at++;
        return at < 0 ? Infinity : steps[at][1];
      });
    });
    return places.map((x, place) => {
      const y = reach.map((one) => one[place]).sort((a, b) => a - b)[k - 1];
      return [x, Number.isFinite(y) ? y : null];
    });
  }

  /** Ranks of the quartiles and the median among n; the extremes where n is below 4. */
  const ranks = (n) => (n < 4 ? [1, Math.ceil(n / 2), n] : [Math.ceil(n / 4), Math.ceil(n / 2), Math.ceil((3 * n) / 4)]);

  return { all, runs, many, objectives, measures, origins, groups, grouped, freshAnywhere, colour, groupColour, groupName,
    value, origin, status, title, staircase, attained, ranks };
})();
