"""What a site asks of a browser: bytes, time and memory over random units, in headless Chromium.

    python benchmarks/explorer_browser.py SITE [UNITS]

Opens `SITE/index.html` from the disk, follows addresses of random units (seed 0) as links do, scrolls each page to its
end, and reads by the DevTools protocol what was loaded, when the page stood there, and the memory of the page's own
process. Prints JSON, one line for the first page and one for the units, each with what is asked; the exit code is 1
where something is above it. `shown_ms` is from the address to the page and `painted_ms` to its second frame, by the
wall clock, which a busy machine makes longer; `work_ms` is what the page's main thread computed for it, in CPU time.
"""

import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

CHECKOUT = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugins")]

import cnnviz_jax as cv  # noqa: E402  # after the path
from tests.explorer.browser import CHROMIUM, Browser  # noqa: E402

FIRST_BYTES, UNIT_BYTES, UNIT_MS, MEMORY_MB = 150_000, 400_000, 300, 300
_SHOWN = """
(async () => {
  const begun = performance.now();
  const shown = new Promise((done) => new MutationObserver((_, all) => {
    if (document.documentElement.dataset.ready === HASH) { all.disconnect(); done(performance.now()); }
  }).observe(document.documentElement, {attributes: true, attributeFilter: ["data-ready"]}));
  location.hash = HASH;
  const at = await shown;
  // Two frames: what was put in is laid out and painted.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return [at - begun, performance.now() - begun];
})()
"""
_ARRIVED = """
(async () => {
  const names = new Set([...document.querySelectorAll("image")].map((one) => one.getAttribute("href")));
  await Promise.all([...names].map((name) => { const image = new Image(); image.src = name; return image.decode(); }));
})()
"""


def memory(browser: Browser) -> int:
    """Return the private bytes of the page's process."""
    processes = browser.send("SystemInfo.getProcessInfo", of_browser=True)["processInfo"]
    return max(_private(each["id"]) for each in processes if each["type"] == "renderer")


def _private(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def work_ms(browser: Browser) -> float:
    """Return the CPU time of the page's main thread in tasks so far."""
    metrics = {each["name"]: each["value"] for each in browser.send("Performance.getMetrics")["metrics"]}
    return 1000 * metrics["TaskDuration"]


def first_page(browser: Browser, address: str) -> dict[str, float]:
    """Open the site and return its bytes and milliseconds."""
    begun_s = time.monotonic()
    browser.open(address)
    shown_ms = 1000 * (time.monotonic() - begun_s)
    browser.settled()
    return {"bytes": browser.bytes_since(0), "shown_ms": round(shown_ms), "memory_mb": round(memory(browser) / 1e6)}


def walk(browser: Browser, units: list[tuple[str, int]]) -> dict[str, list[float]]:
    """Follow the addresses one after the other; everything on each page is scrolled into view."""
    found: dict[str, list[float]] = {"bytes": [], "shown_ms": [], "painted_ms": [], "work_ms": [], "memory_mb": []}
    browser.send("Performance.enable", timeDomain="threadTicks")
    for layer, unit in units:
        before, worked = len(browser.loaded), work_ms(browser)
        where = f"#/{quote(layer, safe='')}/{unit}"
        shown, painted = browser.evaluate(_SHOWN.replace("HASH", json.dumps(where)))
        worked = work_ms(browser) - worked
        browser.evaluate("scrollTo(0, document.body.scrollHeight)")
        browser.settled()
        browser.evaluate(_ARRIVED)
        found["shown_ms"].append(shown)
        found["painted_ms"].append(painted)
        found["work_ms"].append(worked)
        found["bytes"].append(browser.bytes_since(before))
        found["memory_mb"].append(memory(browser) / 1e6)
    return found


def main(folder: str, count: int = 200) -> int:
    """Measure a site."""
    site = cv.open_site(folder)
    units = list(site.units())
    chosen = random.Random(0).sample(units, min(count, len(units)))
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        first = first_page(browser, (Path(folder).resolve() / "index.html").as_uri())
        found = walk(browser, chosen)
        complaints = [*browser.complaints, *browser.failed]
    print(json.dumps({"site": site.title, "page": "first", **first, "asked": {"bytes": FIRST_BYTES}}))
    table = {name: [round(statistics.median(values)), round(max(values))] for name, values in found.items()}
    asked = {"bytes": UNIT_BYTES, "shown_ms": UNIT_MS, "memory_mb": MEMORY_MB}
    over = {name: sum(value > asked[name] for value in found[name]) for name in asked}
    told = {"of": len(units), "median and most": table, "asked": asked, "above": over}
    print(json.dumps({"site": site.title, "page": f"{len(chosen)} units", **told, "complaints": complaints}))
    return int(first["bytes"] > FIRST_BYTES or any(over.values()) or bool(complaints))


if __name__ == "__main__":
    if CHROMIUM is None:
        raise SystemExit("no chromium here: apt-get install chromium")
    raise SystemExit(main(sys.argv[1], *map(int, sys.argv[2:])))
