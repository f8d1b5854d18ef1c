"use strict";
/* Genomes as text: taken apart, and what of a cell does nothing. The grammar is that of evobnn/genome/text.py. */

const Genome = (() => {
  /** Returns {cells: {kind: [[source, target, operation], ...]}, sites: {site: text of the expression}}. */
  function parse(text) {
    const [start, ...rest] = ` ${text}`.split(" @");
    const cells = {};
    for (const [, kind, body] of start.matchAll(/([\w/]+)\[([^\]]*)\]/g)) {
      cells[kind] = [];
      for (const node of body.split(";")) {
        const [target, edges] = node.split("=");
        if (edges === undefined) continue;
        for (const [, operation, source] of edges.matchAll(/(\w+)\((\d+)\)/g))
          cells[kind].push([Number(source), Number(target), operation]);
      }
    }
    const sites = {};
    for (const part of rest) {
      const at = part.indexOf("=");
      sites[part.slice(0, at).trim()] = part.slice(at + 1).trim();
    }
    return { cells, sites };
  }

  /** Returns the tree of an expression as nested arrays [form, argument, ...]. */
  function tree(text) {
    const tokens = text.match(/\w+|[(),]/g) || [];
    let place = 0;
    const read = () => {
      const found = [tokens[place++]];
      if (tokens[place] === "(") {
        do {
          place++;
          found.push(read());
        } while (tokens[place] === ",");
        place++;
      }
      return found;
    };
    return read();
  }

  /** Returns the set of the places of edges that do something: rule J of evobnn/spaces/canonical.py. */
  function live(edges, operations) {
    const order = edges.map((edge, place) => place).sort((a, b) => edges[a][1] - edges[b][1]);
    const full = new Set();
    const found = new Set();
    for (const place of order) {
      const [source, target, operation] = edges[place];
      const spec = operations[operation] || { nothing: false, keeps: false };
      if (spec.nothing || (spec.keeps && source >= 2 && !full.has(source))) continue;
      found.add(place);
      full.add(target);
    }
    return found;
  }

  return { parse, tree, live };
})();
