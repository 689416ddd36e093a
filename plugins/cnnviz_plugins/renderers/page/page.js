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
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("svg.image, .tiles img");
    if (event.target === dialog) dialog.close();
    if (!chosen || dialog.contains(chosen)) return;
    const copy = chosen.cloneNode(true);
    const caption = document.createElement("p");
    caption.textContent = chosen.getAttribute("aria-label") || chosen.getAttribute("alt") || "";
    inside.replaceChildren(copy, caption);
    dialog.showModal();
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
