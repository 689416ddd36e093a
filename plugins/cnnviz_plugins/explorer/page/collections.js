// Collections of pages beside those of units, and maps of cells that are zoomed and moved.
const pageData = (row, number) => data(`${row.slug}-p${Math.floor(number / PAGES_PER_FILE)}`);

const collectionList = (row, most) => {
  const links = row.titles.slice(0, most).map((title, number) => {
    const holder = el("span", {class: "thumb"});
    const note = el("small", {});
    whenSeen(holder, () => data(row.slug).then((found) => {
      if (found.at[number]) holder.append(tile(found.thumbs, found.at[number], `${title}, for example`));
      note.textContent = found.notes[number] || "";
    }, () => {}));
    return el("a", {href: path(row.name, number), class: "unit"}, holder, el("span", {class: "label"}, title), note);
  });
  return el("div", {class: "units"}, links);
};

const collectionPage = (row) => [heading(1, row.title),
  facts([["pages", row.titles.length], ...Object.entries({options: row.made.config.replace(/^\w+\((.*)\)$/, "$1"), seed: row.made.seed})]),
  collectionList(row, row.titles.length)];

const collectedPage = async (row, number) => {
  if (!(number >= 0 && number < row.titles.length)) throw new Error(`${row.name} has pages 0 to ${row.titles.length - 1}`);
  const found = await pageData(row, number);
  const {title, parts} = found.pages[number];
  const step = (other, words, rel) => (other >= 0 && other < row.titles.length ? el("a", {href: path(row.name, other), rel}, words(row.titles[other])) : null);
  return [
    el("div", {class: "title"}, heading(1, title), el("p", {class: "steps"},
      step(number - 1, (name) => `← ${name}`, "prev"), step(number + 1, (name) => `${name} →`, "next"))),
    el("section", {class: "panel wide collected"}, parts.map((part) => drawPart(part, found.sheets))),
  ];
};

// Levels fill the same area; the finest whose cells are not smaller than a tenth of the window is drawn, and of it only
// what lies in the window: a map of thousands of cells loads what is looked at.
const cells = (part, sheets, origin) => {
  const {rows: down, columns: across} = part.levels[0];
  const wide = 100, high = (wide * down) / across;
  const view = {x: 0, y: 0, zoom: 1};
  const chosen = el("div", {class: "chosen", "aria-live": "polite"}, el("p", {class: "note"}, "Choose a cell to see what it stands for."));
  const map = svg("svg", {class: "cells", tabindex: 0, role: "group", "aria-label": `${part.title || "map"}: plus and minus zoom, arrows move`});
  const choose = (cell) => {
    map.querySelector(".picked")?.classList.remove("picked");
    map.querySelector(`[data-cell="${cell.row} ${cell.column}"]`)?.classList.add("picked");
    chosen.replaceChildren(...[tile(sheets, cell.tile.at, cell.tile.alt), el("p", {}, cell.tile.alt), cell.parts.map((one) => drawPart(one, sheets, null, origin))].flat(3).filter(Boolean));
  };
  const levelNow = () => part.levels.findLastIndex((level) => level.columns <= 14 * view.zoom || level === part.levels[0]);
  const words = el("span", {class: "faint"});
  const drawn = () => {
    const size = wide / view.zoom, tall = high / view.zoom;
    view.x = Math.min(Math.max(view.x, 0), wide - size);
    view.y = Math.min(Math.max(view.y, 0), high - tall);
    map.setAttribute("viewBox", `${view.x} ${view.y} ${size} ${tall}`);
    const level = part.levels[levelNow()];
    words.textContent = `${level.rows} × ${level.columns} cells${view.zoom > 1 ? `, ${number(view.zoom)} times as large` : ""}`;
    const w = wide / level.columns, h = high / level.rows;
    const inside = level.cells.filter(({row, column}) => (column + 1) * w >= view.x && column * w <= view.x + size && (row + 1) * h >= view.y && row * h <= view.y + tall);
    map.replaceChildren(...inside.map((cell) => {
      const [x, y] = [cell.column * w + (w * (1 - cell.size)) / 2, cell.row * h + (h * (1 - cell.size)) / 2];
      const placed = {x, y, width: w * cell.size, height: h * cell.size};
      return svg("g", {role: "button", tabindex: 0, "data-cell": `${cell.row} ${cell.column}`, "aria-label": cell.tile.alt, on: {
        click: () => choose(cell),
        keydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(cell); } },
      }}, tile(sheets, cell.tile.at, cell.tile.alt, {...placed, class: "icon"}), svg("rect", placed));
    }));
  };
  const zoomed = (factor, x = view.x + wide / view.zoom / 2, y = view.y + high / view.zoom / 2) => {
    const before = view.zoom;
    view.zoom = Math.min(Math.max(before * factor, 1), 16);
    view.x = x - ((x - view.x) * before) / view.zoom;
    view.y = y - ((y - view.y) * before) / view.zoom;
    drawn();
  };
  const at = (event) => {
    const box = map.getBoundingClientRect();
    return [view.x + ((event.clientX - box.left) / box.width) * (wide / view.zoom), view.y + ((event.clientY - box.top) / box.height) * (high / view.zoom)];
  };
  map.addEventListener("keydown", (event) => {
    const step = wide / view.zoom / 4;
    const [x, y] = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[event.key] || [0, 0];
    if (event.key === "+" || event.key === "=") zoomed(2); else if (event.key === "-") zoomed(0.5); else if (x || y) { view.x += x; view.y += y; drawn(); } else return;
    event.preventDefault();
    event.stopPropagation();  // arrows walk from page to page elsewhere
  });
  map.addEventListener("wheel", (event) => { if (event.ctrlKey) { event.preventDefault(); zoomed(event.deltaY < 0 ? 1.25 : 0.8, ...at(event)); } }, {passive: false});
  map.addEventListener("dblclick", (event) => zoomed(2, ...at(event)));
  let held = null;
  map.addEventListener("pointerdown", (event) => { held = [...at(event), false]; });
  map.addEventListener("pointermove", (event) => {
    if (!held || !event.buttons || view.zoom === 1) return;
    const [x, y] = at(event);
    if (!held[2] && Math.hypot(x - held[0], y - held[1]) < wide / view.zoom / 80) return;
    held[2] = true;
    view.x += held[0] - x;
    view.y += held[1] - y;
    drawn();
  });
  map.addEventListener("click", (event) => { if (held?.[2]) event.stopPropagation(); held = null; }, true);
  drawn();
  return el("div", {class: "mapped"}, el("div", {}, map, el("p", {class: "steps"},
    button("+", () => zoomed(2), {"aria-label": "zoom in"}), button("−", () => zoomed(0.5), {"aria-label": "zoom out"}),
    button("whole", () => { Object.assign(view, {x: 0, y: 0, zoom: 1}); drawn(); }), words)), chosen);
};
