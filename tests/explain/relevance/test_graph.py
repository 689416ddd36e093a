"""Attribution graphs: every node against LRP under its own conditions, exact sums, merging, figure, refusals."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerNotFoundError, UsageError
from cnnviz_plugins.explain.relevance.graph import tree_of
from cnnviz_plugins.explain.relevance.results import TARGET
from tests.explain import known_networks as known


def graph(net, images=known.FOUR[:2], target=0, **options):
    return cv.explain("attribution-graph", net, images, target, **options)


@pytest.fixture(scope="module")
def found():
    return graph(known.net_c("nchw"), layers=("conv1", "conv2"), count=2, names=["a.png", "b.png"])


def test_nodes_are_the_largest_shares_of_the_published_numbers(found):
    # Of conv2 both channels, then of each the two largest of conv1.
    assert found.layers == ("conv2", "conv1")
    assert found.extras["channels"][0].tolist() == [0, 1, 0, 2, 1, 0]
    expected = [0.7302187, -0.5765045, 2.0665926, -0.4843232, -0.6252716, 0.3579628]
    np.testing.assert_allclose(found.extras["relevance"][0], expected, atol=5e-6)
    assert found.extras["parent"][0].tolist() == [-1, -1, 0, 0, 1, 1]
    below = [[2.0665926, -0.4770512, -0.4843232], [0.3579628, -0.6252716, -0.1841959]]
    np.testing.assert_allclose(found.extras["arriving_1"][0], below, atol=5e-6)
    np.testing.assert_allclose(found.extras["root"], found.scores, rtol=1e-6)


def test_each_map_is_lrp_under_the_conditions_of_its_way(found):
    conditions = [{"conv2": [0], "conv1": [2]}, {"conv2": [1], "conv1": [1]}]
    maps = cv.explain("lrp", known.net_c("nchw"), known.FOUR[:1], 0, conditions=conditions).values
    np.testing.assert_allclose(found.values[:1, ..., [3, 4]], maps, atol=1e-6)


def test_channels_that_several_draw_on_are_one_node_and_edges_add_up(found):
    nodes, edges = found.nodes(0), found.edges(0)
    relevance = np.asarray(found.extras["relevance"])[0]
    assert set(nodes) == {(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)}
    assert nodes[1, 0] == pytest.approx(relevance[2] + relevance[5])
    assert edges[(0, 1), (1, 0)] == pytest.approx(relevance[5])
    assert edges[TARGET, (0, 0)] == pytest.approx(relevance[0])
    np.testing.assert_allclose(found.map_of(0, (1, 0)), found.values[0][..., [2, 5]].sum(-1), atol=1e-7)
    rows = found.table()
    assert len(rows) == 12
    assert rows[0]["above"] == "target"
    assert (rows[2]["image"], rows[2]["above"], rows[2]["below"]) == ("a.png", "conv2", "conv1")


def test_what_a_node_sends_below_adds_up_to_its_own_without_biases():
    net = known.net_r()
    made = graph(net, known.wave(0, 4, 1)[None], layers=("relu2", "relu1"), bias=False, count=2)
    extras = {name: np.asarray(value)[0] for name, value in made.extras.items()}
    np.testing.assert_allclose(extras["arriving_0"].sum(), extras["root"], rtol=1e-4)
    np.testing.assert_allclose(extras["arriving_1"].sum(1), extras["relevance"][:2], rtol=1e-3, atol=1e-5)


def test_a_tree_counts_its_parents_before_their_children():
    layer, parent = tree_of((2, 3))
    assert layer.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert parent.tolist() == [-1, -1, 0, 0, 0, 1, 1, 1]
    assert tree_of((1, 1, 2))[1].tolist() == [-1, 0, 1, 1]


def test_it_is_drawn_kept_and_cut_to_one_image(found, tmp_path):
    drawn = cv.figure(found)
    assert "conv2" in [text.get_text() for axes in drawn.axes for text in axes.texts]
    kept = cv.load(cv.save(found, tmp_path / "graph.npz"))
    assert kept.edges(1) == found.edges(1)
    assert found[1].nodes(0) == found.nodes(1)
    with pytest.raises(UsageError, match="no display option 'limit'"):
        cv.figure(found, limit=3)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"layers": ("conv9",)}, LayerNotFoundError, "no layer 'conv9'"),
        ({"layers": ("conv2", "input")}, UsageError, "'input' is the image itself"),
        (
            {"layers": ("relu1", "conv1", "pool", "conv2", "relu2", "mean", "dense"), "count": 3},
            UsageError,
            "3 channels of each of 7 layers are 981 nodes; at most 512",
        ),
        ({"count": 0}, UsageError, "count is at least 1"),
    ],
)
def test_a_graph_that_cannot_be_made_is_refused(options, error, text):
    with pytest.raises(error, match=text):
        graph(known.net_c(), **options)
