"""The vision transformer in Flax NNX, with torchvision's module paths and its weights' names."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cnnviz_plugins.models.first_kernels import Conv, Linear
from cnnviz_plugins.models.layers import GELU, Add, run_through

_EPSILON = 1e-6


def published_block(name: str) -> str:
    """The name that torchvision has now for one in its published files, where dense layers were `mlp.linear_1`."""
    return name.replace("mlp.linear_1.", "mlp.0.").replace("mlp.linear_2.", "mlp.3.")


class Attention(nnx.Module):
    """Several heads of attention of tokens to tokens, with one array for query, key and value as PyTorch keeps it.

    Args:
        width: Numbers of a token.
        heads: Number of heads; divides `width`.
        rngs: Keys for the first weights.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.heads = heads
        draw = nnx.initializers.xavier_uniform()
        self.in_proj_weight = nnx.Param(draw(rngs.params(), (3 * width, width)))
        self.in_proj_bias = nnx.Param(jnp.zeros(3 * width))
        self.out_proj = Linear(width, width, rngs=rngs)

    def __call__(self, x: Float[Array, "n tokens width"]) -> Float[Array, "n tokens width"]:
        """What the tokens take from one another."""
        count, tokens, width = x.shape
        both = x @ self.in_proj_weight.T + self.in_proj_bias[...]
        q, k, v = both.reshape(count, tokens, 3, self.heads, width // self.heads).transpose(2, 0, 3, 1, 4)
        weights = nnx.softmax(q @ k.swapaxes(-1, -2) / (width // self.heads) ** 0.5)
        return self.out_proj((weights @ v).transpose(0, 2, 1, 3).reshape(count, tokens, width))


class EncoderBlock(nnx.Module):
    """Attention, then two dense layers for each token, each behind a layer norm and added to its input.

    Args:
        width: Numbers of a token.
        heads: Heads of attention.
        hidden: Units between the dense layers.
        rngs: Keys for the first weights.
    """

    def __init__(self, width: int, heads: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.ln_1 = nnx.LayerNorm(width, epsilon=_EPSILON, rngs=rngs)
        self.self_attention = Attention(width, heads, rngs=rngs)
        self.add_1 = Add()
        self.ln_2 = nnx.LayerNorm(width, epsilon=_EPSILON, rngs=rngs)
        drop = nnx.Dropout(0.0, deterministic=True)
        self.mlp = nnx.List([Linear(width, hidden, rngs=rngs), GELU(), drop, Linear(hidden, width, rngs=rngs)])
        self.add_2 = Add()

    def __call__(self, x: Float[Array, "n tokens width"]) -> Float[Array, "n tokens width"]:
        """The tokens after the block."""
        x = self.add_1(x, self.self_attention(self.ln_1(x)))
        return self.add_2(x, run_through(self.ln_2(x), self.mlp))


class Layers(nnx.Module):
    """The blocks, called `encoder_layer_0` and so on.

    Args:
        depth: Number of blocks.
        width: Numbers of a token.
        heads: Heads of attention.
        hidden: Units between the dense layers of a block.
        rngs: Keys for the first weights.
    """

    def __init__(self, depth: int, width: int, heads: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.names = tuple(f"encoder_layer_{number}" for number in range(depth))
        for name in self.names:
            setattr(self, name, EncoderBlock(width, heads, hidden, rngs=rngs))

    def __call__(self, x: Float[Array, "n tokens width"]) -> Float[Array, "n tokens width"]:
        """The tokens after all blocks."""
        return run_through(x, [getattr(self, name) for name in self.names])


class Encoder(nnx.Module):
    """Places added to the tokens, the blocks, a layer norm.

    Args:
        tokens: Number of tokens, the class token included.
        layers: The blocks.
        width: Numbers of a token.
        rngs: Keys for the first weights.
    """

    def __init__(self, tokens: int, layers: Layers, width: int, *, rngs: nnx.Rngs) -> None:
        self.pos_embedding = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (1, tokens, width)))
        self.layers = layers
        self.ln = nnx.LayerNorm(width, epsilon=_EPSILON, rngs=rngs)

    def __call__(self, x: Float[Array, "n tokens width"]) -> Float[Array, "n tokens width"]:
        """The encoded tokens."""
        return self.ln(self.layers(x + self.pos_embedding[...]))


class Heads(nnx.Module):
    """The dense layer on the class token.

    Args:
        width: Numbers of a token.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(self, width: int, classes: int, *, rngs: nnx.Rngs) -> None:
        self.head = Linear(width, classes, rngs=rngs)

    def __call__(self, x: Float[Array, "n width"]) -> Float[Array, "n classes"]:
        """The scores."""
        return self.head(x)


class VisionTransformer(nnx.Module):
    """The vision transformer (Dosovitskiy et al. 2021) as torchvision lays it out; B/16 by default.

    Args:
        side: Rows and columns of an image.
        patch: Rows and columns of a patch.
        depth: Number of blocks.
        width: Numbers of a token.
        heads: Heads of attention.
        classes: Number of classes.
        rngs: Keys for the first weights.
    """

    def __init__(
        self,
        *,
        side: int = 224,
        patch: int = 16,
        depth: int = 12,
        width: int = 768,
        heads: int = 12,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv_proj = Conv(3, width, (patch, patch), strides=patch, padding="VALID", rngs=rngs)
        self.class_token = nnx.Param(jnp.zeros((1, 1, width)))
        layers = Layers(depth, width, heads, 4 * width, rngs=rngs)
        self.encoder = Encoder(1 + (side // patch) ** 2, layers, width, rngs=rngs)
        self.heads = Heads(width, classes, rngs=rngs)

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n classes"]:
        """Scores of normalised images."""
        patches = self.conv_proj(images)
        tokens = patches.reshape(len(patches), -1, patches.shape[-1])
        first = jnp.broadcast_to(self.class_token[...], (len(tokens), 1, tokens.shape[-1]))
        return self.heads(self.encoder(jnp.concatenate([first, tokens], axis=1))[:, 0])
