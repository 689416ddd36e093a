"""Programs kept on disk: what a second process finds, what is removed, who decides where."""

import os
import subprocess
import sys

import pytest

from cnnviz_jax.compiling import compiling_quickly, held_bytes, on_disk, programs, use_compile_cache
from cnnviz_jax.errors import UsageError


def test_a_second_command_compiles_nothing_new(tmp_path):
    cache = tmp_path / "programs"
    told = {"JAX_ENABLE_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in told}
    script = (
        "import sys; from cnnviz_jax.cli import main; import pathlib;"
        f"code = main(['explain', 'saliency', 'shapes', {str(tmp_path / 'image.png')!r}, '--out', 'map.npz']);"
        "from cnnviz_jax.compiling import compilations; assert compilations() > 0; sys.exit(code)"
    )
    import numpy as np
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "image.png")
    held = []
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            cwd=tmp_path,
            env={**environment, "CNNVIZ_COMPILE_CACHE": str(cache)},
        )
        held.append((sorted(os.listdir(cache)), held_bytes(cache)))
    assert held[0] == held[1]
    assert held[0][1] > 0


def test_the_oldest_programs_are_removed_first(tmp_path):
    for age, name in enumerate("abcde"):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (age, age))
    on_disk._shrink(tmp_path, 500)
    assert held_bytes(tmp_path) == 500, "what fits stays"
    on_disk._shrink(tmp_path, 400)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "d", "e"]


def test_a_command_leaves_jaxs_own_settings_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(on_disk, "use_compile_cache", lambda choice: pytest.fail("it was not asked"))
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    on_disk.use_compile_cache_of_commands()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no compile cache at"):
        use_compile_cache(tmp_path / "file" / "below")


def test_quick_compilation_is_for_few_evaluations_and_only_where_asked(monkeypatch):
    import jax

    chosen = []
    monkeypatch.setattr(programs, "quick_options", lambda: chosen.append("quick") or programs.compiler_options())
    shape = jax.ShapeDtypeStruct((3,), "float32")

    def double(x):
        return x * 2

    programs.compiled(double, "one evaluation", (shape,), evaluations=1)
    assert chosen == []
    with compiling_quickly():
        programs.compiled(double, "many evaluations", (shape,), evaluations=9)
        programs.compiled(double, "unknown", (shape,))
        assert chosen == []
        programs.compiled(double, "few evaluations", (shape,), evaluations=8)
        assert chosen == ["quick"]
    programs.compiled(double, "few evaluations again", (shape,), evaluations=8)
    assert chosen == ["quick"]


def test_a_program_with_a_loop_is_never_compiled_quickly(monkeypatch):
    """One evaluation of it runs its convolutions many times, so it would pay for every step what it saved once."""
    import jax

    chosen = []
    monkeypatch.setattr(programs, "quick_options", lambda: chosen.append("quick") or programs.compiler_options())
    shape = jax.ShapeDtypeStruct((3,), "float32")

    def repeated(x):
        return jax.lax.fori_loop(0, 5, lambda _, y: jax.numpy.sin(y), x)

    def inside(x):
        return jax.lax.cond(x[0] > 0, jax.jit(repeated), jax.numpy.cos, x)

    with compiling_quickly():
        for number, function in enumerate((repeated, inside)):
            programs.compiled(function, f"a loop {number}", (shape,), evaluations=1)
        assert chosen == []
        programs.compiled(jax.numpy.sin, "no loop", (shape,), evaluations=1)
    assert chosen == ["quick"]
