"""Where the heads of a vision encoder look before it has learnt anything."""

from dataclasses import replace

import pytest
import torch

from costream.lab.train.neighbours import DISTANCES, SIDES, look_at_neighbours
from costream.models import load_model, write_untrained
from costream.models.untrained import SIZES

SIDE = 8
SIZE = replace(
    SIZES["internvl-test"], vision_hidden=96, vision_heads=6, image_size=SIDE * 16, vision_depth=3
)


@pytest.fixture(scope="module")
def vision(tmp_path_factory):
    model = load_model(
        str(write_untrained(tmp_path_factory.mktemp("model"), SIZE)),
        device="cpu",
        dtype=torch.float32,
    )
    look_at_neighbours(model, 1)
    return model.vision


@torch.no_grad()
def attended(vision, layer, hidden):
    """Returns how much each patch attends to each, by head: [heads, patches, patches]."""
    part = vision.encoder.layer[layer]
    rows, heads = part.layernorm_before(hidden), part.attention.num_heads
    queries, keys = (
        project(rows)[0].unflatten(1, (heads, -1)).transpose(0, 1)
        for project in (part.attention.q_proj, part.attention.k_proj)
    )
    scores = queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5
    return scores[:, 1:, 1:].softmax(-1)


@torch.no_grad()
def pictures(vision, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return vision.embeddings(torch.randn(1, 3, SIDE * 16, SIDE * 16, generator=draw))


@pytest.mark.parametrize("layer", range(3))
def test_heads_look_at_neighbours_whatever_is_shown(vision, layer):
    weights = attended(vision, layer, pictures(vision, layer))
    away = DISTANCES[layer]
    for head, (across, down) in enumerate(SIDES):
        for row in range(away, SIDE - away):
            for col in range(away, SIDE - away):
                neighbour = (row + down * away) * SIDE + col + across * away
                assert weights[head, row * SIDE + col].argmax() == neighbour


def test_the_other_heads_look_nowhere_in_particular(vision):
    weights = attended(vision, 0, pictures(vision))
    assert weights[len(SIDES) :].max() < 0.5


def test_layers_leave_places_alone_at_first(vision):
    begun = pictures(vision)
    with torch.no_grad():
        hidden = begun
        for layer in vision.encoder.layer:
            hidden = layer(hidden)
    places = vision.embeddings.position_embeddings[0, 1:]
    basis = torch.linalg.svd(places, full_matrices=False).Vh[:12]
    torch.testing.assert_close(hidden[0, 1:] @ basis.T, begun[0, 1:] @ basis.T, atol=1e-4, rtol=0)


def test_it_follows_from_the_seed(tmp_path):
    models = [
        load_model(str(write_untrained(tmp_path / str(n), SIZE, seed=n)), device="cpu")
        for n in range(2)
    ]
    for model in models:
        look_at_neighbours(model, 4)
    one, other = (model.vision.state_dict() for model in models)
    assert all(torch.equal(one[name], other[name]) for name in one)
