"""A served site answers this machine's own pages alone, explains what is sent, and stops."""

import base64
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.errors import UsageError
from cnnviz_jax.site import serving
from cnnviz_jax.site.sheets import as_bytes
from tests.explorer.browser import CHROMIUM, Browser
from tests.explorer.sites import explore, images, made, model


@pytest.fixture(scope="module")
def served():
    found, begun = [], threading.Event()

    def ready(server):
        found.append(server)
        begun.set()

    thread = threading.Thread(target=cv.serve, args=(made().folder.root, model()), kwargs={"ready": ready})
    thread.start()
    begun.wait(60)
    yield found[0]
    found[0].shutdown()
    thread.join(60)
    assert not thread.is_alive()


def ask(server, method, path, body=None, *, cookie=True, **headers):
    """Return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    given = {"Host": f"127.0.0.1:{server.port}", "Origin": f"http://127.0.0.1:{server.port}"}
    if cookie:
        given["Cookie"] = f"cnnviz_{server.port}={server.token}"
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {name: value for name, value in given.items() if value is not None})
    answer = connection.getresponse()
    told = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return told


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_it_listens_on_this_machine_alone_and_the_token_becomes_a_cookie(served):
    assert served.server_address[0] == "127.0.0.1"
    path = served.address.removeprefix(f"http://127.0.0.1:{served.port}")
    status, headers, _ = ask(served, "GET", path, cookie=False)
    assert status == 303
    assert headers["Location"] == "/site/"
    assert re.fullmatch(rf"cnnviz_{served.port}=[\w-]{{32}}; HttpOnly; SameSite=Strict; Path=/", headers["Set-Cookie"])
    status, headers, body = ask(served, "GET", "/site/")
    assert status == 200
    assert headers["X-Frame-Options"] == "DENY"
    assert b"connect-src &#39;self&#39;" in body
    assert b"connect-src" not in (made().folder.root / "index.html").read_bytes()


def test_files_of_the_site_are_served_and_nothing_else(served):
    for path in ("site.json", "data/site.js", "tiles/front.png"):
        status, _, body = ask(served, "GET", f"/site/{path}")
        assert (status, body) == (200, (made().folder.root / path).read_bytes())
    for path in ("/site/data/../../../etc/passwd", "/site/data/%2e%2e/site.json", "/etc/passwd", "/other/site.json",
                 "/site/data/none.js", "/site/gathered.npz", "/site//etc/passwd"):  # fmt: skip
        assert ask(served, "GET", path)[0] == 404, path


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    site = explore(tmp_path / "site", layers="head", detail="light")
    (tmp_path / "secret.js").write_text("secret")
    (site.folder.data / "secret.js").symlink_to(tmp_path / "secret.js")
    server = serving.SiteServer(site.folder, b"", lambda data, words: None)
    try:
        assert server.file_of("site/data/secret.js") is None
        assert server.file_of("site/data/site.js") is not None
    finally:
        server.server_close()


def test_strangers_get_nothing(served):
    body = png(np.zeros((12, 10, 3), np.uint8))
    assert ask(served, "GET", "/site/site.json", Host="rebound.example")[0] == 421
    assert ask(served, "POST", "/site/live", body, Host=f"rebound.example:{served.port}")[0] == 421
    assert ask(served, "GET", "/site/site.json", cookie=False)[0] == 403
    assert ask(served, "GET", "/site/?token=wrong", cookie=False)[0] == 403
    assert ask(served, "GET", "/site/", cookie=False, Cookie=f"cnnviz_{served.port}=wrong")[0] == 403
    assert ask(served, "POST", "/site/live", body, cookie=False)[0] == 403
    assert ask(served, "POST", "/site/live", body, Origin="http://rebound.example")[0] == 403
    assert ask(served, "POST", "/site/live", body, Origin=None)[0] == 403


def test_an_image_that_is_sent_is_explained(served):
    pixels = as_bytes(images()[3])
    status, _, body = ask(served, "POST", "/site/live?technique=saliency", png(pixels))
    told = json.loads(body)
    assert status == 200
    image = pixels.astype(np.float32) / 255
    wanted = cv.predictions(model(), image[None], 5)[0]
    assert [row[0] for row in told["answers"]] == wanted.classes.tolist()
    np.testing.assert_allclose([row[3] for row in told["answers"]], wanted.probabilities, rtol=1e-5)
    with Image.open(io.BytesIO(base64.b64decode(told["image"]))) as shown:
        np.testing.assert_array_equal(np.asarray(shown), pixels)
    made_map = cv.explain("saliency", model(), image[None], key=0).values[0]
    most = np.abs(made_map).max()
    levels = np.frombuffer(base64.b64decode(told["map"]["levels"]), np.int8).reshape(told["map"]["shape"])
    assert told["map"]["most"] == pytest.approx(float(most), rel=1e-5)
    strongest = np.abs(made_map).max(-1) if made_map.ndim == 3 else np.abs(made_map)
    np.testing.assert_allclose(np.abs(levels) / 127, strongest / most, atol=0.005)
    layer, unit, value, share = told["units"][0]
    read = cv.capture(model(), image[None], [layer])[layer][0]
    assert value == pytest.approx(float(read.reshape(-1, read.shape[-1])[:, unit].max()), rel=1e-5)
    assert share == pytest.approx(value / made().layer(layer)["maximum"][unit], rel=1e-5)


def test_what_cannot_be_explained_is_said(served, monkeypatch):
    body = png(np.zeros((12, 10, 3), np.uint8))

    def refused(path, sent, **headers):
        status, _, told = ask(served, "POST", path, sent, **headers)
        return status, json.loads(told)["error"]

    assert refused("/site/live", b"no image")[0] == 422
    status, told = refused("/site/live?technique=evil", body)
    assert (status, told[:44]) == (422, "no technique 'evil' here; there are grad-cam")
    assert refused("/site/live?technique=saliency&class=99", body) == (422, "class '99' does not exist")
    assert refused("/site/other", body) == (404, "images are sent to /live")
    assert refused("/site/live", body, Content_Length="many") == (411, "the length of the image is needed")
    monkeypatch.setattr(serving, "MOST_BYTES", 20)
    assert refused("/site/live", body)[0] == 413


def test_a_site_of_other_weights_is_not_served(tmp_path):
    explore(tmp_path / "site", layers="head", detail="light")
    other = model().with_params({name: 2 * value for name, value in model().params.items()})
    with pytest.raises(UsageError, match="is of other weights than small & <b>; give the model that it was made of"):
        cv.serve(tmp_path / "site", other)
    with pytest.raises(UsageError, match="no site in"):
        cv.serve(tmp_path, model())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_command_serves_until_a_signal(number, code):
    words = ["explore", "tests.explorer.sites:model", str(made().folder.root), "--serve"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnviz_jax.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/site/\?token=[\w-]+\n", process.stdout.readline())
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(60) == code
    process.communicate()


def test_a_port_without_a_server_is_refused(capsys, tmp_path):
    words = ["explore", "tests.explorer.sites:model", "--out", str(tmp_path / "site")]
    assert main([*words, "--port", "8000"]) == 2
    assert "--port says where --serve listens; give both" in capsys.readouterr().err
    assert main([*words, "--serve", "--port", "http"]) == 2
    assert "--port is a number up to 65535, got 'http'" in capsys.readouterr().err


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_in_a_browser_an_image_is_dropped_and_painted_over(served, tmp_path):
    data = base64.b64encode(png(as_bytes(images()[3]))).decode()
    with Browser(tmp_path / "profile") as page:
        page.open(served.address)
        page.go("#/live")
        page.evaluate(f"""(() => {{
            const bytes = Uint8Array.from(atob("{data}"), (one) => one.charCodeAt(0));
            const given = new DataTransfer();
            given.items.add(new File([bytes], "a.png", {{type: "image/png"}}));
            const event = new DragEvent("drop", {{dataTransfer: given, bubbles: true}});
            document.querySelector(".drop").dispatchEvent(event);
        }})()""")
        page.wait("document.querySelector('.drop [role=status]').textContent.startsWith('grad-cam')")
        before = page.evaluate("[...document.querySelectorAll('.bars [data-value]')].map((one) => +one.dataset.value)")
        assert len(before) == 3
        assert page.evaluate("document.querySelector('.heat').hidden") is False
        left, top = page.evaluate("(() => { const box = document.querySelector('canvas.live').getBoundingClientRect();"
                                  " return [box.left + box.width / 2, box.top + box.height / 2]; })()")  # fmt: skip
        for kind, x in (("mousePressed", left), ("mouseMoved", left + 60), ("mouseReleased", left + 60)):
            page.send("Input.dispatchMouseEvent", type=kind, x=x, y=top, button="left", buttons=1, clickCount=1)
        page.wait("document.querySelector('.bars small').textContent.includes('%')")
        after = page.evaluate("[...document.querySelectorAll('.bars [data-value]')].map((one) => +one.dataset.value)")
        assert after != before
        assert page.evaluate("document.querySelectorAll('.units a').length") > 0
        assert page.complaints == []
