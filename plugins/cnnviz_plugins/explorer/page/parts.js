// Parts: what panels are made of, one function for each kind. `origin` is the site that they come from: this one, or
// another in a folder beside it, whose links lead there.
const here = () => ({from: "", layers: byName});
const within = (origin, address) => (origin.from ? `${origin.from}index.html${address}` : address);

const unitLink = (layer, unit, note, origin = here()) => {
  const holder = el("span", {class: "thumb"});
  const row = origin.layers.get(layer);
  if (row && row.is_done) {
    whenSeen(holder, () => layerData(row, origin.from).then((found) => {
      if (found.at[unit]) holder.append(tile(found.thumbs, found.at[unit], `best crop of ${layer}:${unit}`));
    }, () => {}));
  }
  return el("a", {href: within(origin, path(layer, unit)), class: "unit"}, holder, el("span", {class: "label"}, `${layer}:${unit}`), note);
};

const boxed = (sheets, told, box, alt) => {
  const [, left, top, width, height] = told.at;
  const image = tile(sheets, told.at, alt, {class: "tile whole"});
  const [rows, columns] = told.size;
  const [up, from, down, to] = box;
  image.firstChild.append(svg("rect", {class: "box", x: left + (from * width) / columns, y: top + (up * height) / rows,
    width: ((to - from + 1) * width) / columns, height: ((down - up + 1) * height) / rows}));
  return image;
};

const context = (figure, one, crop) => {
  // The whole image with the box, loaded when it is asked for.
  imageData(one.image).then(([sheets, told]) => { if (figure.isConnected) crop.replaceWith(boxed(sheets, told, one.box, one.alt)); }, () => {});
};

const tiles = (part, sheets, where, origin) => {
  const figures = part.tiles.map((one) => {
    const crop = tile(sheets, one.at, one.alt);
    const figure = el("figure", {"data-image": one.image, "data-box": one.box && one.box.join(" ")},
      one.image === undefined ? crop : link(within(origin, `#/image/${one.image}${one.box ? `?box=${one.box.join(",")}` : ""}`), crop),
      el("figcaption", {}, one.value === undefined ? "" : shown(one.value), one.caption || ""));
    if (where && one.image !== undefined && one.box) where.push([figure, one, crop]);
    return figure;
  });
  return el("div", {class: "tiles"}, figures);
};

const histogram = (part) => {
  const {counts, edges, marks} = part;
  const low = edges[0], high = edges[edges.length - 1];
  // Bins grow with the value: equal widths for the bins keep both ends in sight, and heights are on a log scale.
  const top = Math.log1p(Math.max(...counts));
  const width = 300 / counts.length;
  const place = (value) => {
    let bin = 0;
    while (bin < counts.length - 1 && edges[bin + 1] <= value) bin += 1;
    const span = edges[bin + 1] - edges[bin];
    return width * (bin + (span > 0 ? Math.min(1, Math.max(0, (value - edges[bin]) / span)) : 0.5));
  };
  const total = counts.reduce((sum, count) => sum + count, 0);
  return el("figure", {class: "histogram"},
    svg("svg", {viewBox: "0 0 300 90", preserveAspectRatio: "none", role: "img",
      "aria-label": `histogram of ${number(total)} values from ${number(low)} to ${number(high)}`},
    counts.map((count, bin) => svg("rect", {class: edges[bin] < 0 ? "fill below" : "fill", x: bin * width + 0.15 * width, width: 0.7 * width,
      y: 88 - (84 * Math.log1p(count)) / top, height: (84 * Math.log1p(count)) / top},
    svg("title", {}, `${number(count)} values from ${number(edges[bin])} to ${number(edges[bin + 1])}`))),
    marks.map(([name, value]) => svg("line", {class: "mark", x1: place(value), x2: place(value), y1: 0, y2: 90}, svg("title", {}, `${name} quantile: ${number(value)}`)))),
    el("figcaption", {}, el("span", {}, shown(low)), el("span", {}, "heights are logarithmic, lines the quantiles"), el("span", {}, shown(high))));
};

const kernels = (part, origin) => {
  const most = Math.max(...part.rows.flatMap(([, , , rows]) => rows.flat().map(Math.abs)), 1e-30);
  return el("div", {class: "kernels"}, part.rows.map(([layer, unit, value, rows]) => {
    const drawn = svg("svg", {viewBox: `0 0 ${rows[0].length} ${rows.length}`, role: "img", class: "kernel",
      "aria-label": `kernel of ${rows.length} by ${rows[0].length} numbers, length ${number(value)}`},
    rows.map((row, down) => row.map((one, across) => svg("rect", {x: across, y: down, width: 1.02, height: 1.02,
      class: one < 0 ? "minus" : "plus", "fill-opacity": Math.abs(one) / most}))));
    const inside = el("span", {class: "strength"}, drawn, shown(value));
    return layer && origin.layers.has(layer) ? unitLink(layer, unit, inside, origin)
      : el("span", {class: "unit"}, el("span", {class: "label"}, `channel ${unit}`), inside);
  }));
};

const drawPart = (part, sheets, where, origin = here()) => {
  const title = part.title ? heading(3, part.title) : null;
  const drawn = {
    text: () => el("p", {}, part.text),
    facts: () => facts(part.rows),
    bars: () => bars(part.rows.map(([name, value, address]) => [name, value, address && within(origin, address)])),
    histogram: () => histogram(part),
    tiles: () => tiles(part, sheets, where, origin),
    units: () => el("div", {class: "units"}, part.rows.map(([layer, unit, value]) => unitLink(layer, unit, shown(value), origin))),
    kernels: () => kernels(part, origin),
    cells: () => cells(part, sheets, origin),
  }[part.part];
  return drawn ? [title, drawn()] : [];
};
