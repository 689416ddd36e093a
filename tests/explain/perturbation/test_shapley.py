"""Shapley values and their relatives: exact ones, by random orders, Owen values on a tree, and HSIC."""

import itertools
import math

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError
from tests.explain.known_networks import KINDS, M_IMAGE, m_function, net_c, net_m, wave

from .linear_networks import BLOCKS, WEIGHTS, contributions, linear, mixed, some_image

FOUR = np.arange(4).reshape(1, 4)
GAMES = ("shapley", "permutation-shap", "partition-shap")


def of(technique, net, images, target=0, **options):
    return cv.explain(technique, net, images, target, **{"segments": BLOCKS, "fill": 0.0, **options})


def numbers(result):
    return np.asarray(result.extras["per_segment"][0], np.float64)


def worth_of(net, image, segments, fill=0.0):
    """The score of every coalition of parts, once each."""
    count = int(segments.max()) + 1
    sets = [frozenset(s) for size in range(count + 1) for s in itertools.combinations(range(count), size)]
    seen = [np.where(np.isin(segments, list(s))[..., None], image, np.float32(fill)) for s in sets]
    return dict(zip(sets, np.asarray(net(np.stack(seen)), np.float64)[:, 0], strict=True))


def over_orders(worth, orders):
    """The mean gain of each part over some orders."""
    values, count = np.zeros(len(orders[0])), len(orders)
    for order in orders:
        for place, part in enumerate(order):
            before = frozenset(order[:place])
            values[part] += (worth[before | {part}] - worth[before]) / count
    return values


def kept_together(tree):
    """All orders of a tree's parts that keep every subtree together."""
    if isinstance(tree, int):
        return [(tree,)]
    first, second = map(kept_together, tree)
    return [a + b for a in first for b in second] + [b + a for a in first for b in second]


@pytest.mark.parametrize(
    ("technique", "options", "expected"),
    [
        ("shapley", {"fill": 0.0}, [2.1666667, -1.8333333, -1.5, -7.8333333]),
        ("shapley", {"fill": 1.0}, [0.0, -1.0, -4.5, -6.5]),
        ("shapley", {"segments": [[0, 0, 1, 2]]}, [1 / 6, -4 / 3, -47 / 6]),
        ("partition-shap", {"tree": "((0,1),(2,3))", "evaluations": None}, [2.25, -1.75, -1.5, -8.0]),
        ("hsic", {"convention": "xplique"}, [0.3324802, 0.2342757, 0.0999238, 2.5262106]),
        ("kernel-shap", {}, [2.1666667, -1.8333333, -1.5, -7.8333333]),
        ("feature-ablation", {}, [0.0, -2.0, -1.0, -9.0]),
    ],
)
def test_values_of_a_known_perceptron(technique, options, expected):
    """Enumeration; Captum 0.9.0, shap 0.51.0 and xplique's formula agree."""
    result = cv.explain(technique, net_m(), M_IMAGE[None], 0, **{"segments": FOUR, "fill": 0.0, **options})
    np.testing.assert_allclose(numbers(result), expected, atol=2e-6 * max(map(abs, expected)) + 1e-6)


@pytest.mark.parametrize("segments", [[0, 1, 2, 3], "pixels", "elements"])
def test_features_of_a_vector_are_parts(segments):
    def forward(params, x):
        return m_function(params, x[:, None, :, None])

    net = cv.adapt(forward, net_m().params, input_shape=(4,), name="vector")
    result = cv.explain("shapley", net, M_IMAGE.reshape(1, 4), 0, segments=segments, fill=0.0)
    expected = [2.1666667, -1.8333333, -1.5, -7.8333333]
    np.testing.assert_allclose(result.values, [expected], atol=2e-5)
    np.testing.assert_allclose(numbers(result), expected, atol=2e-5)
    groups = cv.explain("shapley", net, M_IMAGE.reshape(1, 4), 0, segments=[0, 0, 1, 2], fill=0.0)
    np.testing.assert_allclose(numbers(groups), [1 / 6, -4 / 3, -47 / 6], atol=2e-5)
    with pytest.raises(UsageError, match="segments is a mask of 3, a vector here is 4"):
        cv.explain("shapley", net, M_IMAGE.reshape(1, 4), 0, segments=[0, 1, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_parts_may_be_channels_values_or_boxes_of_them(kind):
    image = wave(0)
    boxes = np.zeros((6, 6, 2), int)
    boxes[3:, :, 1] = 1
    boxes[:, 3:, 0] = 2
    for segments, numbering in (("channels", np.broadcast_to([0, 1], (6, 6, 2))), (boxes, boxes)):
        result = of("shapley", net_c(kind), image[None], segments=segments)
        count = numbering.max() + 1
        worth = {}
        for size in range(count + 1):
            for kept in itertools.combinations(range(count), size):
                shown = np.where(np.isin(numbering, kept), image, 0).astype(np.float32)
                worth[frozenset(kept)] = float(net_c(kind)(shown[None])[0, 0])
        expected = over_orders(worth, list(itertools.permutations(range(count))))
        np.testing.assert_allclose(numbers(result), expected, atol=1e-5)
        np.testing.assert_allclose(result.values[0], expected[numbering], atol=1e-5)
        assert result.view == "pixels"


def test_exact_values_are_those_of_all_orders():
    worth = worth_of(mixed(), some_image(), BLOCKS)
    expected = np.zeros(8)
    for kept, score in worth.items():
        for part in range(8):
            rest = len(kept - {part})
            share = math.factorial(rest) * math.factorial(7 - rest) / math.factorial(8)
            expected[part] += share * score * (1 if part in kept else -1)
    result = of("shapley", mixed(), some_image())
    np.testing.assert_allclose(numbers(result), expected, atol=2e-6)
    np.testing.assert_allclose(result.extras["base"][0], worth[frozenset()], atol=1e-6)
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=1e-6)


def test_axioms_hold():
    """Parts that do nothing get nothing, equal ones the same, and values of a sum of games add up."""
    twins = np.full((8, 4, 2), 0.5, np.float32)
    weights = np.ones((8, 4, 2), np.float32)
    weights[:2, :2] = 0

    def game(p, x):
        return ((x * p).sum((1, 2, 3)) ** 2)[:, None]

    square = cv.adapt(game, weights, input_shape=(8, 4, 2), name="square")
    values = numbers(of("shapley", square, twins[None]))
    np.testing.assert_allclose(values[0], 0, atol=1e-4)
    np.testing.assert_allclose(values[1:], values[1], rtol=1e-4)
    other = linear()
    both = cv.adapt(lambda p, x: game(p, x) + other(x), weights, input_shape=(8, 4, 2), name="both")
    np.testing.assert_allclose(
        numbers(of("shapley", both, twins[None])), values + numbers(of("shapley", linear(), twins[None])), atol=1e-3
    )


@pytest.mark.parametrize("antithetic", [False, True])
def test_random_orders_are_a_plain_loop_with_their_standard_error(antithetic):
    result = of("permutation-shap", mixed(), some_image(), samples=6, antithetic=antithetic, key=5, ids=[2])
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 2)
    orders = []
    for i in range(6):
        drawn = np.asarray(jax.random.uniform(jax.random.fold_in(key, i // 2 if antithetic else i), (8,)))
        order = np.argsort(drawn, kind="stable")
        orders.append(tuple(order[::-1] if antithetic and i % 2 else order))
    worth = worth_of(mixed(), some_image(), BLOCKS)
    np.testing.assert_allclose(numbers(result), over_orders(worth, orders), atol=2e-6)
    each = np.stack([over_orders(worth, [order]) for order in orders])
    each = each.reshape(3, 2, 8).mean(1) if antithetic else each
    expected = each.std(0, ddof=1) / np.sqrt(len(each))
    np.testing.assert_allclose(result.extras["per_segment_error"][0], expected, atol=1e-5)
    np.testing.assert_allclose(result.extras["standard_error"][0], expected[BLOCKS], atol=1e-5)


@pytest.mark.parametrize("samples", [1, 3, 8])
def test_random_orders_are_complete_at_every_number(samples):
    images = np.stack([some_image(seed) for seed in (1, 2)])
    result = of("permutation-shap", mixed(), images, samples=samples)
    total = result.extras["per_segment"].sum(1) + result.extras["base"]
    np.testing.assert_allclose(total, result.scores, rtol=1e-5, atol=1e-5)
    assert ("standard_error" in result.extras) is (samples > 1)
    straight = of("permutation-shap", linear(), images[:1], samples=samples)
    np.testing.assert_allclose(numbers(straight), contributions(images[0]), atol=1e-5)


TREE = "(((0,1),(2,3)),((4,(5,6)),7))"


@pytest.mark.parametrize("tree", [None, TREE])
def test_a_whole_tree_gives_the_mean_over_all_orders_that_keep_its_groups_together(tree):
    shape = (((0, 1), (2, 3)), ((4, (5, 6)), 7)) if tree else (((0, 1), (2, 3)), ((4, 5), (6, 7)))
    worth = worth_of(mixed(), some_image(), BLOCKS)
    expected = over_orders(worth, kept_together(shape))
    result = of("partition-shap", mixed(), some_image(), tree=tree, evaluations=None)
    np.testing.assert_allclose(numbers(result), expected, atol=2e-6)
    assert result.extras["depth"][0] == (4 if tree else 3) == dict(result.provenance.notes)["levels"]


def slowly_split(worth, tree, budget, context):
    """shap's loop, one group at a time: a queue by weight times difference, what is left spread evenly over pixels."""

    def leaves(node):
        return [node] if isinstance(node, int) else leaves(node[0]) + leaves(node[1])

    values, entries = np.zeros(8), [(frozenset(), worth[frozenset()], worth[frozenset(range(8))], tree, 1.0)]

    def credit(node, amount):
        for part in leaves(node):
            values[part] += amount / len(leaves(node))

    for _ in range(budget // 2):
        can = [e for e in entries if not isinstance(e[3], int)]
        if not can:
            break
        entry = max(can, key=lambda e: abs(e[2] - e[1]) * e[4])
        entries.remove(entry)
        around, low, high, (left, right), weight = entry
        one, other = worth[around | set(leaves(left))], worth[around | set(leaves(right))]
        own = weight / 2 if context == "both" else weight
        if context != "both":
            credit(entry[3], (high - one - other + low) * weight * (1 if context == "off" else -1))
        if context != "on":
            entries += [(around, low, one, left, own), (around, low, other, right, own)]
        if context != "off":
            entries.append((around | set(leaves(right)), other, high, left, own))
            entries.append((around | set(leaves(left)), one, high, right, own))
    for _, low, high, node, weight in entries:
        credit(node, (high - low) * weight)
    return values


@pytest.mark.parametrize(("context", "budget"), [("both", 20), ("off", 8), ("on", 8)])
def test_a_budget_splits_the_groups_that_matter_most_first(context, budget):
    worth = worth_of(mixed(), some_image(), BLOCKS)
    expected = slowly_split(worth, (((0, 1), (2, 3)), ((4, 5), (6, 7))), budget, context)
    options = {"evaluations": budget, "context": context, "at_once": 1}
    result = of("partition-shap", mixed(), some_image(), **options)
    np.testing.assert_allclose(numbers(result), expected, atol=3e-6)
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=3e-6)


def test_pixels_are_the_ends_of_a_tree_of_boxes_and_channels_come_last():
    from cnnviz_plugins.explain.perturbation.hierarchy import box_tree

    tree = box_tree(np.arange(12).reshape(2, 3, 2))
    # 2 x 3: the width is longer, halved into 1 and 2; then 2 x 1 by height, then channels.
    assert sorted(tree.parts[: tree.end[1]]) == [0, 1, 6, 7]
    assert list(tree.parts[:4]) == [0, 1, 6, 7]
    assert (tree.end - tree.first)[tree.depth == 1].tolist() == [4, 8]
    for node in np.flatnonzero(~tree.is_leaf):
        assert tree.first[tree.left[node]] == tree.first[node]
        assert tree.end[tree.left[node]] == tree.first[tree.right[node]]
        assert tree.sibling[tree.left[node]] == tree.right[node]
    result = of("partition-shap", linear(), some_image(), segments="elements", evaluations=None, context="off")
    np.testing.assert_allclose(result.values[0], WEIGHTS * some_image(), atol=1e-5)


def test_nested_and_scattered_parts_have_a_tree_too():
    rings = np.zeros((8, 4), int)
    rings[1:7, 1:3] = 1
    rings[3:5, 1:3] = 2
    result = of("partition-shap", mixed(), some_image(), segments=rings, evaluations=None)
    worth = worth_of(mixed(), some_image(), rings)
    np.testing.assert_allclose(numbers(result).sum(), worth[frozenset(range(3))] - worth[frozenset()], atol=1e-5)


def test_hsic_is_the_trace_of_centred_kernels():
    result = of("hsic", mixed(), some_image())
    worth, count = worth_of(mixed(), some_image(), BLOCKS), 256
    masks = np.arange(count)[:, None] >> np.arange(8) & 1
    scores = np.array([worth[frozenset(np.flatnonzero(mask))] for mask in masks])
    apart = np.abs(scores[:, None] - scores[None])
    width = np.median(apart[np.triu_indices(count, 1)])
    centre = np.eye(count) - 1 / count
    alike = np.exp(-(apart**2) / (2 * width**2))
    expected = [
        np.trace(centre @ (1.5 - (masks[:, [k]] - masks[:, k]) ** 2) @ centre @ alike) / count for k in range(8)
    ]
    np.testing.assert_allclose(numbers(result), expected, rtol=1e-3, atol=1e-5 * max(expected))
    np.testing.assert_allclose(result.extras["width"], [width], rtol=1e-4)


def test_hsic_takes_the_first_sobol_points_and_does_not_see_a_constant():
    from cnnviz_plugins.explain.perturbation.hsic import binary_masks

    masks = binary_masks(100, 8)
    assert masks.shape == (100, 8)
    assert not masks[0].any()
    np.testing.assert_allclose(binary_masks(64, 8).mean(0), 0.5, atol=0.04)
    net = mixed()
    shifted = cv.adapt(lambda p, x: net(x) + 3.0, None, input_shape=(8, 4, 2), name="shifted")
    plain = of("hsic", mixed(), some_image(), masks=60)
    np.testing.assert_allclose(numbers(of("hsic", shifted, some_image(), masks=60)), numbers(plain), rtol=1e-3)
    flat = cv.adapt(lambda p, x: 0 * x.sum((1, 2, 3))[:, None], None, input_shape=(8, 4, 2), name="flat")
    np.testing.assert_allclose(numbers(of("hsic", flat, some_image(), masks=60, convention="xplique")), 0, atol=1e-12)


@pytest.mark.parametrize("technique", [*GAMES, "hsic"])
def test_neither_chunk_nor_batch_matters_and_nothing_compiles_twice(technique):
    images = np.stack([some_image(seed) for seed in range(3)])
    options = {"samples": 4} if technique == "permutation-shap" else {}
    options |= {"evaluations": 30, "at_once": 3} if technique == "partition-shap" else {}
    together = of(technique, mixed(), images, chunk=7, **options).values
    np.testing.assert_allclose(of(technique, mixed(), images[2:], chunk=7, **options).values, together[2:], atol=1e-5)
    np.testing.assert_allclose(of(technique, mixed(), images, **options).values, together, atol=1e-5)
    before = compilations()
    of(technique, mixed(), some_image(8), chunk=7, key=3, **options)
    assert compilations() == before


def test_an_interrupted_tree_goes_on_where_it_was(tmp_path, monkeypatch):
    from cnnviz_jax.engine.fold_run import FoldRun

    options = {"evaluations": 60, "at_once": 4, "chunk": 4}
    whole = of("partition-shap", mixed(), some_image(), **options)
    count, kept = [0], FoldRun.chunks

    def interrupted(self, complete):
        for row in kept(self, complete):
            count[0] += 1
            if count[0] == 9:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr("cnnviz_jax.engine.fold_run._SAVE_EVERY_S", -1.0)
    monkeypatch.setattr(FoldRun, "chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        of("partition-shap", mixed(), some_image(), folder=tmp_path / "work", **options)
    monkeypatch.setattr(FoldRun, "chunks", kept)
    again = of("partition-shap", mixed(), some_image(), folder=tmp_path / "work", **options)
    np.testing.assert_array_equal(again.values, whole.values)


@pytest.mark.parametrize(
    ("technique", "options", "text"),
    [
        (
            "shapley",
            {"segments": "grid(5)"},
            r"coalitions of at most 16 parts, and segments='grid\(5\)' makes 20; kernel",
        ),
        (
            "permutation-shap",
            {"samples": 3, "antithetic": True},
            "orders come in pairs, so that samples is even; got 3",
        ),
        (
            "partition-shap",
            {"segments": "slic(4)"},
            r"needs parts known beforehand, and segments='slic\(4\)' makes others",
        ),
        ("partition-shap", {"tree": "((0,1),2)"}, r"each part once; got '\(\(0,1\),2\)', and there are parts 0 to 7"),
        ("partition-shap", {"tree": "(0,1,2)"}, "tree is pairs of pairs of part numbers"),
        ("partition-shap", {"evaluations": 1}, "evaluations is at least 2, got 1"),
        ("hsic", {"masks": 1}, "masks is at least 2, got 1"),
    ],
)
def test_says_what_is_wrong(technique, options, text):
    with pytest.raises(UsageError, match=text):
        of(technique, linear(), some_image(), **options)


def test_a_tree_too_large_to_be_split_whole_is_refused_before_anything_runs():
    net = cv.adapt(lambda p, x: x.sum((1, 2, 3))[:, None], None, input_shape=(64, 64, 1), name="large")
    with pytest.raises(UsageError, match=r"whole tree over 4096 parts takes 11,184,810 evaluations; give evaluations"):
        cv.explain("partition-shap", net, np.zeros((64, 64, 1), np.float32), 0, evaluations=None)


def test_a_fill_that_hides_nothing_brings_a_warning():
    with pytest.warns(cv.CnnvizWarning, match="every part is one pixel, and its own mean colour is itself"):
        cv.explain("shapley", net_m(), M_IMAGE[None], 0, segments="pixels")
