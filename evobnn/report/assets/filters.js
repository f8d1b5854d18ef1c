"use strict";
/* What of the runs is shown: axes, filters, the chosen network; whoever draws is told when something changes. */

const View = (() => {
  const { runs, objectives, measures, origins } = Data;
  const last = Math.max(...runs.map((run) => run.generation));
  const state = {
    y: objectives[0] || "asked",
    x: objectives[1] || "asked",
    fresh: Data.freshAnywhere,
    runs: new Set(runs.map((run) => run.number)),
    origins: new Set(origins),
    born: [0, last],
    limits: {},
    frontOnly: false,
    chosen: null,
  };
  const heard = { axes: [], filter: [], choice: [] };
  const on = (what, listener) => heard[what].push(listener);
  const tell = (what) => heard[what].forEach((listener) => listener());

  function choose(run, row) {
    state.chosen = { run, row };
    const place = `#${run.number}:${run.columns.id[row]}`;
    if (location.hash !== place) history.replaceState(null, "", place);
    tell("choice");
  }

  function passes(run, row) {
    const columns = run.columns;
    if (!state.runs.has(run.number) || !state.origins.has(Data.origin(run, row))) return false;
    if (columns.born[row] < state.born[0] || columns.born[row] > state.born[1]) return false;
    if (state.frontOnly && !columns.front[row] && !run.fresh[columns.id[row]]) return false;
    return Object.entries(state.limits).every(([name, most]) => {
      const value = Data.value(run, row, name);
      return value !== null && value <= most;
    });
  }

  /** Range of an objective over all runs, and whether its axis is logarithmic. */
  function extent(name) {
    const found = runs.flatMap((run) => run.columns.id.map((_, row) => Data.value(run, row, name)))
      .filter((value) => value !== null && Number.isFinite(value));
    const low = found.reduce((a, b) => Math.min(a, b), Infinity), high = found.reduce((a, b) => Math.max(a, b), -Infinity);
    const said = runs.map((run) => run.axes[name]).find(Boolean);
    const log = low > 0 && (said ? said[2] === "log10" : !Words.SHARES.has(name) && name !== "asked" && high / low > 30);
    return { low, high, log, count: found.length };
  }

  const chip = (words, pressed, act, colour) => {
    const made = el("button", { class: "chip", type: "button", "aria-pressed": String(pressed), onclick: () => {
      const now = made.getAttribute("aria-pressed") !== "true";
      made.setAttribute("aria-pressed", String(now));
      act(now);
      tell("filter");
    } });
    if (colour) made.append(el("i", { style: `background:${colour}` }));
    made.append(words);
    return made;
  };

  const chips = (label, names, set, words = (name) => name, colour = () => null) =>
    el("div", { class: "filter" }, el("span", { class: "label" }, label), el("div", { class: "chips" },
      names.map((name) => chip(words(name), true, (now) => (now ? set.add(name) : set.delete(name)), colour(name)))));

  function limit(name) {
    const { low, high, log, count } = extent(name);
    if (!count || low === high) return null;
    const at = (share) => (share >= 1 ? Infinity : log ? low * (high / low) ** share : low + share * (high - low));
    const said = el("output", {}, "any");
    const slider = el("input", { type: "range", min: 0, max: 200, value: 200, "aria-label": `${Words.named(name)}, at most`,
      oninput: () => {
        const most = at(slider.value / 200);
        if (most === Infinity) delete state.limits[name];
        else state.limits[name] = most;
        said.textContent = most === Infinity ? "any" : `≤ ${Words.brief(name, most)}`;
        tell("filter");
      } });
    return el("div", { class: "filter" }, el("span", { class: "label" }, Words.named(name)), slider, said);
  }

  function generations() {
    if (last === 0) return null;
    const number = (place, words) => {
      const made = el("input", { type: "number", min: 0, max: last, value: state.born[place], "aria-label": words, oninput: () => {
        state.born[place] = made.value === "" ? [0, last][place] : Number(made.value);
        tell("filter");
      } });
      return made;
    };
    return el("div", { class: "filter" }, el("span", { class: "label" }, "generation"), el("span", { class: "pair" },
      number(0, "born in this generation or later"), "to", number(1, "born in this generation or before")));
  }

  function build(place) {
    const only = el("div", { class: "filter" }, el("span", { class: "label" }, "show"),
      el("div", { class: "chips" }, chip("front only", false, (now) => (state.frontOnly = now))));
    const parts = [...objectives.map(limit), generations(), chips("origin", origins, state.origins), only];
    if (Data.many)
      parts.push(chips("run", runs.map((run) => run.number), state.runs, (number) => runs[number].name,
        (number) => Data.colour(runs[number])));
    place.append(...parts.filter(Boolean));
  }

  function buildAxes(place) {
    const names = [...objectives, ...measures, "asked", "born"];
    const chooser = (which) => {
      const made = el("select", { id: `axis-${which}`, "aria-label": `axis ${which}`, onchange: () => {
        state[which] = made.value;
        tell("axes");
      } }, names.map((name) => el("option", { value: name, selected: name === state[which] }, Words.named(name))));
      return made;
    };
    place.append(chooser("y"), el("span", {}, "over"), chooser("x"));
    if (Data.freshAnywhere) {
      const made = el("select", { id: "scores", "aria-label": "scores", onchange: () => {
        state.fresh = made.value === "fresh";
        tell("axes");
      } }, el("option", { value: "fresh" }, "fresh scores"), el("option", { value: "search" }, "the search's scores"));
      place.append(made);
    }
  }

  return { state, on, tell, choose, passes, extent, build, buildAxes };
})();
