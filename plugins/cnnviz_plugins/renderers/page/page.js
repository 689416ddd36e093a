"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("has-script");

  const slider = document.getElementById("heat");
  const shown = document.getElementById("heat-value");
  const follow = () => {
    root.style.setProperty("--heat", slider.value / 100);
    shown.textContent = `${slider.value} %`;
  };
  if (slider) {
    slider.addEventListener("input", follow);
    follow();
  }

  const dialog = document.getElementById("large");
  const inside = dialog.querySelector("div");
  const large = "svg.image, .tiles img";
  const enlarge = (chosen) => {
    const copy = chosen.cloneNode(true);
    for (const name of ["tabindex", "role", "aria-haspopup"]) copy.removeAttribute(name);
    const caption = document.createElement("p");
    caption.textContent = chosen.getAttribute("aria-label") || chosen.getAttribute("alt") || "";
    inside.replaceChildren(copy, caption);
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest(large);
    if (event.target === dialog) dialog.close();
    if (chosen && !dialog.contains(chosen)) enlarge(chosen);
  });

  // By keyboard: Tab reaches every image, and of a grid of tiles one; arrows walk the grid; Enter or space enlarges.
  const tilesOf = (one) => [...(one.closest(".tiles")?.querySelectorAll(large) ?? [])];
  for (const one of document.querySelectorAll(large)) {
    one.setAttribute("role", "button");
    one.setAttribute("aria-haspopup", "dialog");
    one.setAttribute("tabindex", [one, undefined].includes(tilesOf(one)[0]) ? "0" : "-1");
  }
  document.addEventListener("keydown", (event) => {
    const chosen = event.target.closest(large);
    if (!chosen || dialog.contains(chosen)) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      enlarge(chosen);
      return;
    }
    const tiles = tilesOf(chosen);
    const across = tiles.filter((tile) => tile.getBoundingClientRect().top === tiles[0].getBoundingClientRect().top);
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across.length, ArrowUp: -across.length }[event.key];
    const next = by && tiles[tiles.indexOf(chosen) + by];
    if (!next) return;
    event.preventDefault();
    chosen.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  const mark = (layer) => {
    for (const one of document.querySelectorAll(".fields [data-layer]")) {
      one.classList.toggle("marked", layer !== null && one.dataset.layer === layer);
    }
  };
  for (const one of document.querySelectorAll(".fields [data-layer]")) {
    one.addEventListener("mouseenter", () => mark(one.dataset.layer));
    one.addEventListener("mouseleave", () => mark(null));
  }
})();
