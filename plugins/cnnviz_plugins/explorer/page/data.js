// Data: scripts beside the page, each of which hands over one deflated text; the last ones are kept.
const KEPT = 48;
const waiting = new Map();
const held = new Map();

window[FUNCTION] = (name, text) => {
  const key = document.currentScript.getAttribute("src");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  new Response(stream).json().then((content) => waiting.get(key)?.resolve(content), (error) => waiting.get(key)?.reject(error));
};

// `from` is the folder of another site beside this one, such as "../step-100/"; its sheets lie there, too.
const data = (name, from = "") => {
  const key = `${from}data/${name}.js`;
  if (held.has(key)) {
    const found = held.get(key);
    held.delete(key);
    held.set(key, found);
    return found;
  }
  const found = new Promise((resolve, reject) => {
    waiting.set(key, {resolve, reject});
    const script = document.createElement("script");
    script.setAttribute("src", key);
    script.onerror = () => reject(new Error(`${key} is not there: the site is not that far, or not whole`));
    document.head.append(script);
    script.onload = () => script.remove();
  }).then((content) => {
    for (const sheets of [content.sheets, content.thumbs, content.front?.sheets]) {
      for (const sheet of sheets || []) sheet[0] = `${from}tiles/${sheet[0]}`;
    }
    return content;
  });
  const settled = () => waiting.delete(key);
  found.then(settled, () => { settled(); held.delete(key); });
  held.set(key, found);
  if (held.size > KEPT) held.delete([...held.keys()].find((other) => other !== "data/site.js"));
  return found;
};

const UNITS_PER_FILE = 32, IMAGES_PER_FILE = 64, CLASSES_PER_FILE = 50, PAGES_PER_FILE = 8;
let site, byName, placeOf;

const understood = (found) => {
  site = found;
  byName = new Map(site.layers.map((layer) => [layer.name, layer]));
  placeOf = new Map(site.images.map(([image], place) => [image, place]));
};
const sheetOf = (unit) => Math.floor(unit / site.units_per_sheet);
const shownLayers = () => site.layers.filter((layer) => layer.is_shown);
const layerData = (layer, from) => data(layer.slug, from);
const unitData = (layer, unit, from) => data(`${layer.slug}-u${Math.floor(unit / UNITS_PER_FILE)}`, from);
const synthesisData = (layer, unit, from, perSheet = site.units_per_sheet) => {
  const group = Math.floor(unit / perSheet);
  return (layer.synthesis[group] || []).includes(unit) ? data(`${layer.slug}-s${group}`, from) : Promise.resolve(null);
};
const imageData = async (image) => {
  if (!placeOf.has(image)) throw new Error(`image ${image} has no page`);
  const file = await data(`images-${Math.floor(placeOf.get(image) / IMAGES_PER_FILE)}`);
  return [file.sheets, file.images[image]];
};
const classData = async (index) => (await data(`classes-${Math.floor(index / CLASSES_PER_FILE)}`)).classes[index];

// What an element shows is loaded once it comes near the window.
const seen = new IntersectionObserver((entries) => {
  for (const {isIntersecting, target} of entries) if (isIntersecting) { seen.unobserve(target); target.show(); }
}, {rootMargin: "200px"});
const whenSeen = (element, show) => { element.show = show; seen.observe(element); return element; };
