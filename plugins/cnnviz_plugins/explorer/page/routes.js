// Addresses, search and keys.
const page = document.getElementById("page"), trail = document.getElementById("trail");
const word = document.getElementById("word"), results = document.getElementById("found"), said = document.getElementById("said");
let turn = 0;

const parsed = () => {
  const [where, words] = location.hash.replace(/^#\/?/, "").split("?");
  const steps = where.split("/").filter(Boolean).map((step) => { try { return decodeURIComponent(step); } catch { return step; } });
  return [steps, new URLSearchParams(words || "")];
};

const chosen = (steps, asked) => {
  if (!steps.length) return [[], networkPage()];
  // A layer may be called like a kind of page; its name goes first where it has pages.
  const layer = byName.get(steps[0]);
  if (layer && layer.is_shown) {
    const up = [layer.name, path(layer.name)];
    if (steps.length === 1) return [[up], layerPage(layer, asked)];
    return [[up, [steps[1], path(layer.name, steps[1])]], unitPage(layer, /^\d+$/.test(steps[1]) ? Number(steps[1]) : -1)];
  }
  const features = steps[0] === "dictionary" && byName.get(`${steps[1]}.dictionary`);
  if (features && features.is_shown) return chosen([features.name, ...steps.slice(2)], asked);
  if (steps[0] === "live" && typeof livePage === "function") return [[["an image of your own", "#/live"]], livePage()];
  const at = Number(steps[1]);
  const collection = site.collections.find((row) => row.name === steps[0]);
  if (collection) {
    const up = [collection.title, path(collection.name)];
    if (steps.length === 1) return [[up], collectionPage(collection)];
    return [[up, [collection.titles[at] || steps[1], path(collection.name, steps[1])]], collectedPage(collection, /^\d+$/.test(steps[1]) ? at : -1)];
  }
  if (steps[0] === "image" && Number.isInteger(at)) return [[[`image ${at}`, `#/image/${at}`]], imagePage(at, asked)];
  if (steps[0] === "class" && site.classes[at] !== undefined) return [[[site.classes[at], `#/class/${at}`]], classPage(at)];
  if (steps[0] === "compare" && steps.length === 3) {
    return [[[`${steps[1]}:${steps[2]}`, path(steps[1], steps[2])], ["compared", location.hash]], comparePage(steps[1], Number(steps[2]), asked.get("with") || "")];
  }
  return [[], Promise.reject(new Error(`There is no page ${location.hash}.`))];
};

const go = async () => {
  const own = ++turn;
  const [steps, asked] = parsed();
  const [above, content] = chosen(steps, asked);
  let inside;
  try { inside = await content; } catch (error) {
    inside = [heading(1, "Not here"), el("p", {class: "warning"}, error.message), el("p", {}, link("#/", "to the network"))];
  }
  if (own !== turn) return;  // another address was asked for meanwhile
  page.replaceChildren(...[inside].flat(3).filter((one) => one !== null && one !== undefined && one !== ""));
  trail.replaceChildren(link("#/", site.title), ...above.map(([name, address]) => link(address, name)));
  const title = [...above.map(([name]) => name).reverse(), site.title].join(" · ");
  document.title = title;
  said.textContent = title;
  document.documentElement.dataset.ready = location.hash || "#/";
  scrollTo(0, 0);
};

const matching = (text) => {
  const asked = text.trim().toLowerCase();
  if (!asked) return [];
  const rows = [];
  const exact = asked.match(/^(.+?)[:/](\d+)$/);
  for (const layer of shownLayers()) {
    const name = layer.name.toLowerCase();
    if (exact && name.includes(exact[1]) && Number(exact[2]) < layer.units) rows.push([`${layer.name}:${exact[2]}`, path(layer.name, Number(exact[2])), "unit", name === exact[1]]);
    else if (name.includes(asked)) rows.push([layer.name, path(layer.name), `layer, ${layer.units} units`, name === asked]);
  }
  site.classes.forEach((name, index) => { if (name.toLowerCase().includes(asked)) rows.push([name, `#/class/${index}`, "class", name.toLowerCase() === asked]); });
  for (const row of site.collections) row.titles.forEach((name, page) => {
    if (rows.length < 200 && name.toLowerCase().includes(asked)) rows.push([name, path(row.name, page), row.title, name.toLowerCase() === asked]);
  });
  for (const [image, name] of site.images) {
    if (rows.length > 200) break;
    if (name.toLowerCase().includes(asked) || asked === `image ${image}`) rows.push([name, `#/image/${image}`, `image ${image}`, false]);
  }
  return rows.sort((a, b) => b[3] - a[3]).slice(0, 12);
};

const showResults = () => {
  const rows = matching(word.value);
  results.replaceChildren(...rows.map(([name, address, kind]) => el("li", {}, el("a", {href: address}, name, el("small", {}, kind)))));
  results.hidden = !rows.length;
};
const close = () => { results.hidden = true; };

word.addEventListener("input", showResults);
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const first = results.querySelector("a") || (showResults(), results.querySelector("a"));
  if (!first) { said.textContent = "nothing is called so"; return; }
  location.hash = first.getAttribute("href");
  word.value = "";
  close();
  page.focus();
});
results.addEventListener("click", () => { word.value = ""; close(); });
document.addEventListener("click", (event) => { if (!event.target.closest("#search")) close(); });
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); page.focus(); });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Escape") { close(); word.blur(); return; }
  if (typing) {
    const links = [...results.querySelectorAll("a")];
    if (event.key === "ArrowDown" && links.length) { event.preventDefault(); links[0].focus(); }
    return;
  }
  const among = [...results.querySelectorAll("a")].indexOf(document.activeElement);
  if (among >= 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const next = results.querySelectorAll("a")[among + (event.key === "ArrowDown" ? 1 : -1)];
    (next || word).focus();
    return;
  }
  const to = {ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]"}[event.key];
  if (to) { const found = page.querySelector(to); if (found) { event.preventDefault(); location.hash = found.getAttribute("href"); } }
  if (event.key === "/") { event.preventDefault(); word.focus(); }
  if (event.key === "u") { const steps = trail.querySelectorAll("a"); location.hash = steps[Math.max(0, steps.length - 2)].getAttribute("href"); }
});

addEventListener("hashchange", go);
data("site").then((found) => { understood(found); return go(); }, (error) => {
  page.replaceChildren(heading(1, "This site has no data"), el("p", {class: "warning"}, error.message));
});
