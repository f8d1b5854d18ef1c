"use strict";
/* What stands at the top, what is chosen first, and who is told of which change. */

(() => {
  const { runs } = Data;
  const place = (id) => document.getElementById(id);
  Bokeh.set_log_level("error");

  const WORDS = {
    running: (run) => `In progress when this was written: generation ${run.generation} of ${run.generations} is finished. What is shown is so far.`,
    stopped: (run) => `Stopped after generation ${run.generation} of ${run.generations}. evobnn resume ${run.path} goes on.`,
    finished: (run) => `Finished after generation ${run.generation}.`,
  };

  function top() {
    place("title").textContent = runs.length === 1 ? runs[0].name : Words.counted(runs.length, "run");
    const about = runs[0].about;
    const shared = Object.entries(about).filter(([key]) => runs.every((run) => run.about[key] === about[key]));
    place("about").textContent = shared.map(([key, value]) => `${key} ${value}`).join(" · ");
    const state = place("state");
    const unfinished = runs.filter((run) => run.state !== "finished");
    const told = runs.length === 1 ? runs : unfinished;
    state.append(...told.map((run) => el("span", { class: run.state }, `${Data.many ? `${run.name}: ` : ""}${WORDS[run.state](run)}`)));
    const sum = (of) => runs.reduce((total, run) => total + of(run), 0);
    const failed = sum((run) => run.failures.reduce((total, one) => total + (one.status === "pruned" ? 0 : one.count), 0));
    const volume = runs.map((run) => run.hypervolume.at(-1)?.[1]).filter((value) => value !== undefined);
    const figures = [["networks", Words.whole(sum((run) => run.networks))], ["evaluations", Words.whole(sum((run) => run.evaluations))],
      ["failed", Words.whole(failed)], ["on the front", Words.whole(sum(onFront))]];
    const best = winner();
    if (best) {
      const name = measuredName(best.run), again = best.run.fresh[best.run.columns.id[best.row]];
      figures.push([`least ${Words.named(name)}${again ? `, ${again.n} fresh` : ""}`,
        again ? Words.spread(name, again.mean[name], again.sd[name], again.n) : Words.quantity(name, Data.value(best.run, best.row, name))]);
    }
    if (volume.length) figures.push([volume.length > 1 ? "hypervolume, best run" : "hypervolume", Math.max(...volume).toFixed(3)]);
    place("figures").append(...figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    place("footer").textContent = `evobnn ${Data.all.evobnn}. Everything is in this file; it loads nothing. Fresh scores are means over seeds that ` +
      "the search never saw; the search's own scores flatter what it selected, so only fresh ones are quoted. Every objective is to be small.";
  }

  const onFront = (run) => {
    const fresh = Object.values(run.fresh);
    return fresh.length ? fresh.filter((one) => one.holds).length : run.columns.front.reduce((a, b) => a + b, 0);
  };
  const measuredName = (run) => (run.objectives.includes("error") ? "error" : run.objectives[0]);

  /** The network with the least error of all, or of the first objective; by fresh scores where there are some. */
  function winner() {
    let best = null;
    for (const run of runs) {
      const name = measuredName(run), again = Object.keys(run.fresh).length > 0;
      run.columns.id.forEach((_, row) => {
        const value = Data.value(run, row, name, again);
        if (value === null || (!again && !run.columns.front[row])) return;
        if (!best || (again && !best.again) || (again === best.again && value < best.value)) best = { run, row, value, again };
      });
    }
    return best;
  }

  function first() {
    const found = /^#(\d+):(\d+)$/.exec(location.hash);
    const run = found && runs[Number(found[1])];
    if (run && run.row.has(Number(found[2]))) return { run, row: run.row.get(Number(found[2])) };
    return winner() || (runs[0].columns.id.length ? { run: runs[0], row: 0 } : null);
  }

  function choose() {
    const found = first();
    if (found) View.choose(found.run, found.row);
    else place("details").append(el("p", { class: "calm" }, "Nothing was tried yet."));
  }

  let due = 0;
  const soon = () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(Front.renew);
  };
  top();
  View.buildAxes(place("axes"));
  View.build(place("filters"));
  View.on("axes", Front.build);
  View.on("filter", soon);
  View.on("choice", () => {
    Details.show();
    Front.ring();
  });
  Front.build();
  Below.hypervolume();
  Below.failures();
  Below.members();
  choose();
  window.addEventListener("hashchange", choose);
  window.evobnn = { whereIs: Front.whereIs, View, Data, Forms, Genome, Curve };
  document.documentElement.dataset.ready = "yes";
})();
