"""A report links into a site of the same network, wherever the two lie."""

import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explorer.sites import images, made, model


def test_the_address_is_seen_from_the_reports_folder_and_a_site_of_other_weights_is_refused(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    out = tmp_path / "deep" / "er" / "page.html"
    report = cv.report(model(), images()[:1], out, techniques=[], site=made().folder.root)
    assert (out.parent / report.site).resolve() == (made().folder.root / "index.html").resolve()
    assert report.site_layers == made().layers
    page = out.read_text(encoding="utf-8")
    assert all(f'href="{report.site}#/{layer}"' in page for layer in ("stem", "head") if layer in made().layers)
    assert f'<a href="{report.site}">Every unit</a>' in page
    other = model().with_params({**model().params, "head": model().params["head"] * 2})
    with pytest.raises(UsageError, match="is of other weights than"):
        cv.report(other, images()[:1], techniques=[], site=made().folder.root)
    with pytest.raises(UsageError, match="no site in"):
        cv.report(model(), images()[:1], techniques=[], site=tmp_path)
