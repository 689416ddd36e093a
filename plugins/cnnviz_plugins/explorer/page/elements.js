// Elements: everything on the page is made here, and every text is put in as text.
const SVG = "http://www.w3.org/2000/svg";

const filled = (element, attributes, inside) => {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const one of inside.flat(3)) if (one !== null && one !== undefined && one !== "") element.append(one);
  return element;
};
const el = (name, attributes, ...inside) => filled(document.createElement(name), attributes, inside);
const svg = (name, attributes, ...inside) => filled(document.createElementNS(SVG, name), attributes, inside);

const number = (value) => {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  if (Number.isInteger(value)) return value.toLocaleString("en").replace(/,/g, "\u2009");
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(size >= 1000 ? 6 : 4);
  return text.replace("-", "−");
};
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
// The whole number stands beside the short one, for whoever reads the page by program.
const shown = (value) => el("span", typeof value === "number" ? {"data-value": value} : {}, number(value));

const path = (layer, unit) => `#/${encodeURIComponent(layer)}${unit === undefined ? "" : `/${unit}`}`;
const link = (address, ...inside) => el("a", {href: address}, ...inside);

// One tile of a sheet in the middle of a square; the inner SVG shows that part of the sheet and no more.
const tile = (sheets, at, alt, attributes) => {
  const [sheet, left, top, width, height] = at;
  const [name, across, down] = sheets[sheet];
  const side = Math.max(width, height);
  return svg("svg", {viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": alt, class: side < 96 ? "tile crisp" : "tile", ...attributes},
    svg("svg", {x: (side - width) / 2, y: (side - height) / 2, width, height, viewBox: `${left} ${top} ${width} ${height}`},
      svg("image", {href: name, width: across, height: down, "aria-hidden": true})));
};

const heading = (level, text) => el(`h${level}`, {}, text);
const section = (title, attributes, ...inside) => el("section", attributes, heading(2, title), ...inside);
const facts = (rows) => el("dl", {class: "facts"}, rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value instanceof Node ? value : shown(value)))));

const bars = (rows) => {
  const most = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-30);
  return el("ol", {class: "bars"}, rows.map(([name, value, address, note]) => el("li", {},
    el("span", {class: "name"}, address ? link(address, name) : name),
    svg("svg", {viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": true},
      svg("rect", {class: "track", width: 100, height: 6}), svg("rect", {class: "fill", width: (100 * Math.abs(value)) / most, height: 6})),
    el("span", {class: "value"}, note || shown(value)))));
};

const button = (text, act, attributes) => el("button", {type: "button", on: {click: act}, ...attributes}, text);
const copying = (text, what) => button(text, (event) => {
  const told = event.currentTarget;
  const done = () => { told.textContent = "copied"; setTimeout(() => { told.textContent = text; }, 1200); };
  const field = el("textarea", {class: "unseen"});
  field.value = what();
  document.body.append(field);
  field.select();
  if (document.execCommand("copy")) done();  // the clipboard's newer interface is closed to pages from a disk
  field.remove();
});
