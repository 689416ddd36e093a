// An image of one's own: dropped here, explained by the server that serves this page, and painted over to see what counts.
const LIVE_PX = 384;

const livePage = async () => {
  let answered = null, first = null, original = null, isPainted = false, busy = false, dirty = false;
  const canvas = el("canvas", {class: "live", tabindex: 0, "aria-label": "the image as the network sees it; paint to occlude"});
  const heat = el("canvas", {class: "live heat", "aria-hidden": true});
  const status = el("p", {class: "note", role: "status"}, "Drop an image here, or choose a file. It stays on this machine.");
  const answers = el("div", {}), units = el("div", {class: "units"});
  const choose = el("select", {"aria-label": "technique"}), opacity = el("input", {type: "range", min: 0, max: 100, value: 60, "aria-label": "opacity of the map"});
  const width = el("input", {type: "range", min: 2, max: 40, value: 12, "aria-label": "width of the brush in hundredths of the image"});
  const file = el("input", {type: "file", accept: "image/*", "aria-label": "choose an image file"});
  const again = button("take the paint away", () => { if (original) { isPainted = false; canvas.getContext("2d").putImageData(original, 0, 0); send(); } });

  const ask = async (body, words) => {
    const response = await fetch(`live?${new URLSearchParams(words)}`, {method: "POST", body});
    const told = await response.json();
    if (!response.ok) throw new Error(told.error);
    return told;
  };
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const painted = () => new Promise((done) => canvas.toBlob(done, "image/png"));

  const draw = () => {
    const before = isPainted ? new Map(first.answers.map(([index, , , share]) => [index, share])) : null;
    answers.replaceChildren(bars(answered.answers.map(([index, name, score, share]) => {
      const change = before && before.has(index) ? share - before.get(index) : null;
      const note = change === null ? "" : ` ${change < 0 ? "−" : "+"}${percent(Math.abs(change))}`;
      return [name, share, site.classes[index] ? `#/class/${index}` : null, el("span", {"data-value": share, title: `score ${number(score)}`}, percent(share), el("small", {}, note))];
    })));
    units.replaceChildren(...answered.units.map(([layer, unit, value, share]) => unitLink(layer, unit, el("span", {}, shown(value), el("small", {}, ` ${percent(share)}`)))));
    if (!answered.map) { heat.hidden = true; return; }
    const [rows, columns] = answered.map.shape, levels = new Int8Array(bytesOf(answered.map.levels).buffer);
    heat.width = columns; heat.height = rows; heat.hidden = false;
    const pixels = heat.getContext("2d").createImageData(columns, rows);
    levels.forEach((level, place) => {
      pixels.data.set(level < 0 ? [40, 90, 220] : [225, 45, 30], 4 * place);
      pixels.data[4 * place + 3] = 2 * Math.abs(level);
    });
    heat.getContext("2d").putImageData(pixels, 0, 0);
  };

  // What is explained stays the class that was answered first, so that painting compares like with like.
  const send = async (body) => {
    if (busy) { dirty = true; return; }
    busy = true;
    status.textContent = "asking the network …";
    try {
      const words = {technique: choose.value || "", class: !body && first ? first.answers[0][0] : ""};
      const told = await ask(body || await painted(), words);
      if (body) {
        first = told;
        isPainted = false;
        if (!choose.options.length) choose.append(...told.techniques.map((name) => el("option", {value: name}, name)));
        const bitmap = await createImageBitmap(new Blob([bytesOf(told.image)], {type: "image/png"}));
        [canvas.height, canvas.width] = told.size;
        const context = canvas.getContext("2d", {willReadFrequently: true});
        context.drawImage(bitmap, 0, 0);
        original = context.getImageData(0, 0, canvas.width, canvas.height);
        if (!told.map && choose.value) dirty = true;  // the first answer says what there is to choose from
      }
      answered = told;
      draw();
      status.textContent = told.map ? `${told.map.technique}: red speaks for ${first.answers[0][1]}, blue against it; the strongest is ${number(told.map.most)}. Paint over the image to see what changes.` : "Paint over the image to see what changes.";
    } catch (error) { status.textContent = `Not explained: ${error.message}`; }
    busy = false;
    if (dirty) { dirty = false; send(); }
  };

  const take = (given) => { if (given) send(given); };
  file.addEventListener("change", () => take(file.files[0]));
  choose.addEventListener("change", () => first && send());
  opacity.addEventListener("input", () => heat.setAttribute("class", `live heat o${Math.round(opacity.value / 10)}`));
  heat.setAttribute("class", "live heat o6");

  // Grey, the mean of the image, hides what it covers without a strong edge of its own.
  let mean = "rgb(128 128 128)";
  const paint = (event) => {
    if (!original) return;
    const box = canvas.getBoundingClientRect(), context = canvas.getContext("2d");
    const x = ((event.clientX - box.left) * canvas.width) / box.width, y = ((event.clientY - box.top) * canvas.height) / box.height;
    const size = (canvas.width * width.value) / 100;
    context.fillStyle = mean;
    context.fillRect(x - size / 2, y - size / 2, size, size);
    isPainted = true;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!original) return;
    const sums = [0, 0, 0];
    for (let place = 0; place < original.data.length; place += 1) if (place % 4 < 3) sums[place % 4] += original.data[place];
    mean = `rgb(${sums.map((sum) => Math.round((4 * sum) / original.data.length)).join(" ")})`;
    canvas.setPointerCapture(event.pointerId);
    paint(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) paint(event); });
  canvas.addEventListener("pointerup", () => { if (original) send(); });

  const stage = el("div", {class: "stage"}, canvas, heat);
  const drop = section("Image", {class: "panel whole-image drop"}, stage, status, el("p", {}, file),
    el("div", {class: "choices"}, el("label", {}, "map ", choose), el("label", {}, "opacity ", opacity), el("label", {}, "brush ", width), again));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files[0]); });
  canvas.width = LIVE_PX; canvas.height = LIVE_PX; heat.hidden = true;
  return [
    heading(1, "An image of your own"),
    el("div", {class: "panels"}, drop, section("What the network answers", {class: "panel"}, answers),
      section("Units that it fires most", {class: "panel wide"},
        el("p", {class: "note"}, "The number is the unit's largest value here, and its share of its maximum over the data set."), units)),
  ];
};
