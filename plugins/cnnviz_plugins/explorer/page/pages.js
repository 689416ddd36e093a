// The pages of the network, of an image and of a class.
const ROW = 34;

const spark = (rates) => rates && rates.length > 1 ? svg("svg", {viewBox: "0 0 60 20", class: "spark", role: "img",
  "aria-label": `firing rates from ${percent(rates[0])} to ${percent(rates[rates.length - 1])}`},
rates.map((rate, place) => svg("rect", {class: "fill", x: (60 * place) / rates.length, width: 48 / rates.length, y: 19 - 18 * rate, height: 1 + 18 * rate}))) : "";

// The network's lines: a straight one from each layer to the next where that reads it, arcs for all other branches.
const wires = (layers) => {
  const place = new Map(layers.map((layer, row) => [layer.name, row]));
  const arcs = [], lines = [];
  layers.forEach((layer, row) => {
    for (const input of layer.inputs) {
      const from = input === "input" ? -1 : place.get(input);
      if (from === undefined) continue;
      if (from === row - 1) lines.push([from, row]); else arcs.push([from, row]);
    }
  });
  const lanes = [];
  arcs.sort((a, b) => a[1] - a[0] - (b[1] - b[0]));
  const drawn = arcs.map(([from, to]) => {
    let lane = lanes.findIndex((taken) => taken.every(([start, stop]) => to <= start || from >= stop));
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane].push([from, to]);
    return [from, to, Math.min(lane, 6)];
  });
  const width = 22 + 9 * Math.min(lanes.length, 7);
  const x = width - 8;
  const y = (row) => ROW * (row + 1.5);
  const drawing = svg("svg", {class: "wires", width, height: ROW * (layers.length + 1), "aria-hidden": true},
    lines.map(([from, to]) => svg("line", {x1: x, x2: x, y1: y(from), y2: y(to)})),
    drawn.map(([from, to, lane]) => {
      const left = x - 10 - 9 * lane, bend = Math.min(14, (y(to) - y(from)) / 2);
      return svg("path", {class: "arc", d: `M${x} ${y(from)} Q${left} ${y(from)} ${left} ${y(from) + bend} V${y(to) - bend} Q${left} ${y(to)} ${x} ${y(to)}`});
    }),
    svg("circle", {cx: x, cy: y(-1), r: 3.5}),
    layers.map((layer, row) => svg("circle", {cx: x, cy: y(row), r: layer.is_shown ? 4.5 : 2.5, class: layer.is_shown ? "shown" : ""})));
  return drawing;
};

const networkPage = async () => {
  const identity = site.identity;
  const units = shownLayers().reduce((sum, layer) => sum + layer.units, 0);
  const behind = shownLayers().filter((layer) => !layer.is_done).length;
  return [
    heading(1, site.title),
    facts([...Object.entries(site.facts), ["layers", site.layers.length], ["units with pages", units]]),
    site.is_complete ? null : el("p", {class: "warning"}, behind ? `${behind} of ${shownLayers().length} layers are not written yet; the same command continues.` : "Images and classes are not written yet; the same command continues."),
    (site.warnings || []).map((text) => el("p", {class: "warning"}, text)),
    section("The network", {class: "wide"}, el("div", {class: "network"}, wires(site.layers),
      el("div", {class: "rows"},
        el("div", {class: "row head"}, ["layer", "kind", "shape", "each unit sees", "parameters", "operations", "", "firing rates"].map((name, column) => el("span", {class: `k${column}`}, name))),
        site.layers.map((layer) => el("div", {class: layer.is_shown ? "row shown" : "row"},
          el("span", {class: "k0"}, layer.is_shown && layer.is_done ? link(path(layer.name), layer.name) : layer.name),
          el("span", {class: "k1"}, layer.kind.replace("_", " ")), el("span", {class: "k2"}, layer.shape.join(" × ")),
          el("span", {class: "k3"}, layer.field || ""), el("span", {class: "k4"}, layer.parameters ? number(layer.parameters) : ""),
          el("span", {class: "k5"}, layer.flops ? short(layer.flops) : ""),
          el("span", {class: "k6"}, layer.dead ? el("b", {class: "dead"}, `${layer.dead} dead`) : "", layer.twins ? el("b", {class: "twin"}, `${layer.twins} twins`) : ""),
          el("span", {class: "k7"}, spark(layer.rates))))))),
    site.classes.length ? section("Classes", {}, el("p", {class: "links"}, site.classes.map((name, index) => link(`#/class/${index}`, name)))) : null,
    site.collections.map((row) => section(row.title, {}, collectionList(row, 24),
      row.titles.length > 24 ? el("p", {class: "note"}, link(path(row.name), `all ${row.titles.length}`)) : null)),
    site.images.length ? section("Images", {}, imageStrip(site.images.slice(0, 48).map(([image]) => image)),
      site.images.length > 48 ? el("p", {class: "note"}, `${site.images.length - 48} more: search by name, or open #/image/NUMBER`) : null) : null,
    section("This run", {}, facts([["weights", identity.weights.slice(0, 16)], ["images", identity.images.slice(0, 40)], ["detail", identity.detail],
      ...Object.entries(identity.versions), ...(site.synthesis.technique ? [["synthesis", `${site.synthesis.technique}, recipe ${site.synthesis.recipe}, seed ${site.synthesis.seed}`]] : [])])),
  ];
};

const short = (count) => {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  return String(count);
};

const around = (layer) => {
  const readers = site.layers.filter((other) => other.inputs.includes(layer.name));
  const named = (name) => { const row = byName.get(name); return row && row.is_shown && row.is_done ? link(path(name), name) : el("span", {}, name); };
  const list = (title, names) => names.length ? [el("span", {class: "faint"}, title), names.map(named)] : [];
  return el("p", {class: "around"}, list("from", layer.inputs), list("to", readers.map((other) => other.name)));
};

const imageStrip = (images, words) => el("div", {class: "strip"}, images.map((image, place) => {
  const known = site.images[placeOf.get(image)];
  const name = known ? known[1] : `image ${image}`;
  const holder = el("span", {class: "thumb"});
  const front = site.front.at[placeOf.get(image)];
  if (front) holder.append(tile(site.front.sheets, front, name));
  else whenSeen(holder, () => imageData(image).then(([sheets, told]) => holder.append(tile(sheets, told.at, name)), () => {}));
  return el("a", {href: `#/image/${image}`}, holder, el("span", {}, words ? words[place] : name));
}));

const imagePage = async (image, asked) => {
  const [sheets, told] = await imageData(image);
  const box = (asked.get("box") || "").split(",").map(Number);
  const has = box.length === 4 && box.every(Number.isFinite);
  const className = (index) => site.classes[index] || `class ${index}`;
  const best = told.answers[0];
  return [
    el("div", {class: "title"}, heading(1, told.name), el("p", {class: "steps"}, neighbour(image, -1, "←"), neighbour(image, 1, "→"))),
    facts([["image", String(image)], ["label", told.label >= 0 ? link(`#/class/${told.label}`, className(told.label)) : null],
      ["size", told.size.slice().reverse().join(" × ")],
      ["answer", best && told.label >= 0 ? (best[0] === told.label ? "right" : el("b", {class: "dead"}, "wrong")) : null]]),
    el("div", {class: "panels"},
      section("Image", {class: "panel whole-image"}, has ? boxed(sheets, told, box, `${told.name} with a box`) : tile(sheets, told.at, told.name, {class: "tile whole"}),
        has ? el("p", {class: "note"}, `box: rows ${box[0]} to ${box[2]}, columns ${box[1]} to ${box[3]}`) : null),
      told.answers.length ? section("What the network answers", {class: "panel"},
        bars(told.answers.map(([index, score, share]) => [className(index), share, site.classes[index] ? `#/class/${index}` : null,
          el("span", {"data-value": share, title: `score ${number(score)}`}, percent(share))]))) : null,
      told.units.length ? section("Units that it fires most", {class: "panel wide"},
        el("p", {class: "note"}, "This image is among those that fire the unit most. The number is the unit's value here, and its share of the unit's maximum."),
        el("div", {class: "units"}, told.units.map(([layer, unit, value, share]) => unitLink(layer, unit, el("span", {}, shown(value), el("small", {}, ` ${percent(share)}`)))))) : null),
  ];
};

const neighbour = (image, step, arrow) => {
  const next = site.images[placeOf.get(image) + step];
  return next ? el("a", {href: `#/image/${next[0]}`, rel: step < 0 ? "prev" : "next"}, step < 0 ? `${arrow} ${next[1]}` : `${next[1]} ${arrow}`) : null;
};

const classPage = async (index) => {
  const told = await classData(index);
  const className = (other) => site.classes[other] || `class ${other}`;
  const pairs = (title, list, word) => list.length ? section(title, {class: "panel wide"},
    imageStrip(list.map(([image]) => image), list.map(([, other]) => `${word} ${className(other)}`))) : null;
  return [
    el("div", {class: "title"}, heading(1, told.name), el("p", {class: "steps"},
      index > 0 ? el("a", {href: `#/class/${index - 1}`, rel: "prev"}, `← ${className(index - 1)}`) : null,
      index < site.classes.length - 1 ? el("a", {href: `#/class/${index + 1}`, rel: "next"}, `${className(index + 1)} →`) : null)),
    facts([["class", String(index)], ["images with this label", told.count], ["of them answered otherwise", told.missed.length || null]]),
    el("div", {class: "panels"},
      told.units.length ? section("Units that answer to it", {class: "panel wide"},
        el("p", {class: "note"}, "Units whose mean is largest on this class, the most selective first. The number is that mean; the small one the selectivity, from 0, alike for all classes, to 1."),
        el("div", {class: "units"}, told.units.map(([layer, unit, value, selective]) => unitLink(layer, unit, el("span", {}, shown(value), el("small", {}, ` ${selective.toFixed(2)}`)))))) : null,
      told.images.length ? section("Images", {class: "panel wide"}, imageStrip(told.images)) : null,
      pairs("Missed", told.missed, "taken for"), pairs("Mistaken for it", told.mistaken, "is")),
  ];
};
