// The page of a layer, with the grid of its units, and the page of a unit.
const SORTS = {number: "number", maximum: "maximum", fire_rate: "firing rate", selectivity: "selectivity"};
const SHOWS = {
  all: ["all", () => true],
  dead: ["dead", (columns, unit) => columns.state?.[unit] === "dead"],
  twin: ["twins", (columns, unit) => columns.twin?.[unit] >= 0],
  selective: ["selective", (columns, unit) => columns.selectivity?.[unit] >= 0.5],
  made: ["synthesised", (columns, unit, layer) => (layer.synthesis[sheetOf(unit)] || []).includes(unit)],
};

const layerPage = async (layer, asked) => {
  const found = await layerData(layer);
  const columns = found.columns;
  const sort = SORTS[asked.get("sort")] ? asked.get("sort") : "number";
  const show = SHOWS[asked.get("show")] ? asked.get("show") : "all";
  const draw = asked.get("draw") === "synthesis" ? "synthesis" : "crops";
  const address = (changes) => {
    const words = new URLSearchParams({sort, show, draw, ...changes});
    for (const [key, usual] of [["sort", "number"], ["show", "all"], ["draw", "crops"]]) if (words.get(key) === usual) words.delete(key);
    return `${path(layer.name)}${[...words].length ? `?${words}` : ""}`;
  };
  const units = [...Array(layer.units).keys()].filter((unit) => SHOWS[show][1](columns, unit, layer));
  if (sort !== "number") units.sort((a, b) => (columns[sort]?.[b] ?? -Infinity) - (columns[sort]?.[a] ?? -Infinity) || a - b);
  const made = Object.values(layer.synthesis).flat();
  const count = (name) => [...Array(layer.units).keys()].filter((unit) => SHOWS[name][1](columns, unit, layer)).length;
  const choose = (key, names, current) => el("span", {class: "choice", role: "group", "aria-label": key},
    names.map(([name, words, many]) => el("a", {href: address({[key]: name}), "aria-current": name === current ? "true" : null},
      words, many === undefined ? "" : el("small", {}, many))));
  return [
    heading(1, layer.name),
    facts([["kind", layer.kind], ["shape", layer.shape.join(" × ")], ["units", layer.units], ["each sees", layer.field],
      ["parameters", layer.parameters || null], ["operations", layer.flops || null], ["dead", layer.dead], ["twins", layer.twins]]),
    around(layer),
    el("div", {class: "choices"},
      choose("sort", Object.entries(SORTS).filter(([name]) => name === "number" || columns[name]), sort),
      choose("show", Object.entries(SHOWS).filter(([name]) => name === "all" || count(name)).map(([name, [words]]) => [name, words, count(name)]), show),
      made.length ? choose("draw", [["crops", "best crops"], ["synthesis", "synthesis"]], draw) : null),
    units.length ? el("div", {class: "grid"}, units.map((unit) => gridTile(layer, found, unit, sort, draw))) : el("p", {}, "No unit is so."),
    columns.map ? unitMap(layer, columns) : null,
  ];
};

const gridTile = (layer, found, unit, sort, draw) => {
  const {columns} = found;
  const state = columns.state?.[unit];
  const words = [sort !== "number" && columns[sort] ? number(columns[sort][unit]) : "", state || ""].filter(Boolean).join(" ");
  const crop = found.at[unit] ? tile(found.thumbs, found.at[unit], `unit ${unit}, best crop`) : null;
  const holder = el("a", {href: path(layer.name, unit), class: state ? `cell ${state.replace(" ", "-")}` : "cell", "data-unit": unit},
    crop, el("span", {}, unit, words ? el("small", {}, words) : ""));
  if (draw === "synthesis") {
    synthesisData(layer, unit).then((made) => { if (made && crop) crop.replaceWith(tile(made.sheets, made.units[unit].at, `unit ${unit}, synthesised`)); }, () => {});
  }
  return holder;
};

const unitMap = (layer, columns) => {
  const all = columns.map.flat().map(Math.abs);
  const most = Math.max(...all, 1e-9);
  const at = (value) => 100 + (92 * value) / most;
  return section("Map of units", {class: "wide"},
    el("p", {class: "note"}, "Units that answer alike lie near one another: the two main components of their correlations. Colour is the class that a unit answers to most."),
    svg("svg", {viewBox: "0 0 200 200", class: "map", role: "group", "aria-label": "map of units"},
      svg("line", {x1: 100, x2: 100, y1: 4, y2: 196}), svg("line", {y1: 100, y2: 100, x1: 4, x2: 196}),
      columns.map.map(([x, y], unit) => svg("a", {href: path(layer.name, unit), tabindex: -1, "aria-label": `unit ${unit}`},
        svg("circle", {cx: at(x), cy: at(-y), r: 2.4, class: `c${columns.class && columns.class[unit] >= 0 ? columns.class[unit] % 10 : "x"}`},
          svg("title", {}, `${layer.name}:${unit}${columns.class && columns.class[unit] >= 0 ? `, ${site.classes[columns.class[unit]]}` : ""}`))))));
};

const unitPage = async (layer, unit) => {
  if (!(unit >= 0 && unit < layer.units)) throw new Error(`${layer.name} has units 0 to ${layer.units - 1}`);
  const [found, made, about] = await Promise.all([unitData(layer, unit), synthesisData(layer, unit), layerData(layer)]);
  const {columns} = about;
  const panels = found.units[unit];
  const where = [];
  const label = columns.class && columns.class[unit] >= 0 ? site.classes[columns.class[unit]] : null;
  const whole = button("show whole images", (event) => {
    event.currentTarget.remove();
    for (const [figure, one, crop] of where) context(figure, one, crop);
  }, {class: "quiet"});
  const sections = panelSections(site, panels, found.sheets, where);
  const first = sections.find((one) => one.querySelector(".tiles a"));
  if (first && where.length) first.querySelector("h2").append(whole);
  return [
    el("div", {class: "title"},
      heading(1, `${layer.name}:${unit}`),
      el("p", {class: "steps"},
        unit > 0 ? el("a", {href: path(layer.name, unit - 1), rel: "prev"}, `← ${unit - 1}`) : null,
        unit < layer.units - 1 ? el("a", {href: path(layer.name, unit + 1), rel: "next"}, `${unit + 1} →`) : null,
        site.beside.map((other) => link(`${path(layer.name, unit).replace("#/", "#/compare/")}?with=${encodeURIComponent(other)}`, `beside ${other}`)),
        copying("copy address", () => location.href),
        copying("copy Python", () => `cv.open_site("site").unit(${JSON.stringify(layer.name)}, ${unit})`))),
    facts([["layer", link(path(layer.name), `${layer.kind}, ${layer.shape.join(" × ")}`)], ["sees", layer.field],
      ["maximum", columns.maximum?.[unit]], ["firing rate", columns.fire_rate ? el("span", {"data-value": columns.fire_rate[unit]}, percent(columns.fire_rate[unit])) : null],
      ["answers most to", label && link(`#/class/${columns.class[unit]}`, label)],
      ["selectivity", columns.selectivity?.[unit]], ["state", columns.state?.[unit] || null]]),
    el("div", {class: "panels"}, made ? synthesised(made, unit) : null, sections),
  ];
};

const STATUS = {
  ok: "", no_gradient: "Nothing to climb: no gradient at any step.", not_reached: "Nowhere above zero after these steps.",
  dead: "Dead: nothing tried fires it.", diverged: "Diverged: not finite.",
};

const synthesised = (made, unit) => {
  const one = made.units[unit];
  const said = one.ratio === null || one.ratio === undefined ? null : one.ratio;
  return section("Made to excite it", {id: "panel-synthesis", class: "panel synthesis"},
    tile(made.sheets, one.at, `image made to excite unit ${unit}`),
    STATUS[one.status] ? el("p", {class: "warning"}, STATUS[one.status]) : null,
    facts([["reaches", one.peak], ["data set's maximum", one.maximum], ["ratio", said]]),
    said !== null && said < 1 ? el("p", {class: "warning"}, "It reaches less than a real image does: do not read it as what the unit wants.") : null,
    pathTaken(one.path),
    el("p", {class: "note"}, `by ${made.technique}`));
};

// Whether layers hold the made image as they hold real images that fire the unit (Geirhos et al. 2024).
const pathTaken = (path) => path === null || path === undefined
  ? el("p", {class: "note"}, "The way it takes through the network was not compared with that of real images.")
  : [heading(3, "Path similarity"),
    bars(path.layers.map(([layer, , , , share]) => [layer, Math.min(Math.max(share ?? 0, 0), 1), null, shown(share)])),
    path.mean !== null && path.mean < 0.5 ? el("p", {class: "warning"}, "Most layers hold it more like images of other units than like its own.") : null,
    el("p", {class: "note"}, "1: the layer holds it like the images that fire the unit most; 0: like those of other units; –: the layer does not tell these apart. Mean ", shown(path.mean), ".")];

const panelSections = (of, panels, sheets, where, origin) => of.panels.filter(({name}) => panels[name]).map(({name, title}) =>
  section(title, {id: where ? `panel-${name}` : null, class: `panel ${name}`}, panels[name].map((part) => drawPart(part, sheets, where, origin))));

// One unit of two sites, such as two checkpoints of a training. The other lies in a folder beside this one: an address
// names no other place, so that a link cannot make the page run a script from elsewhere.
const comparePage = async (name, unit, other) => {
  if (!/^[\w.-]+$/.test(other) || /^\.+$/.test(other)) throw new Error("?with= is the name of a folder beside this site's");
  const columns = await Promise.all([[site, ""], [await data("site", `../${other}/`), `../${other}/`]].map(async ([of, from]) => {
    const layer = of.layers.find((one) => one.name === name && one.is_shown && one.is_done);
    if (!layer || !(unit >= 0 && unit < layer.units)) throw new Error(`${of.title} has no page of ${name}:${unit}`);
    const [found, made, about] = await Promise.all([unitData(layer, unit, from), synthesisData(layer, unit, from, of.units_per_sheet), layerData(layer, from)]);
    const label = about.columns.class && about.columns.class[unit] >= 0 ? of.classes[about.columns.class[unit]] : null;
    return el("div", {class: "side"}, heading(2, from ? other : "this site"),
      facts([["network", of.title], ["weights", of.identity.weights.slice(0, 16)], ["maximum", about.columns.maximum?.[unit]],
        ["firing rate", about.columns.fire_rate?.[unit]], ["answers most to", label], ["selectivity", about.columns.selectivity?.[unit]], ["state", about.columns.state?.[unit] || null]]),
      made ? synthesised(made, unit) : null, panelSections(of, found.units[unit], found.sheets, null, {from, layers: new Map(of.layers.map((one) => [one.name, one]))}));
  }));
  return [heading(1, `${name}:${unit}, beside ${other}`), el("div", {class: "sides"}, columns)];
};
