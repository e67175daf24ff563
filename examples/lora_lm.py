"""A tiny byte-level causal language model with LoRA adapters.

It has one attention layer, one MLP and an unembedding. Each weight is a frozen random matrix plus a trainable
low-rank one. The model is small enough to train in seconds, and it works in float64, which is exact enough to
compare two ways of training.
"""

import torch
from torch import nn
from torch.nn import functional

VOCABULARY = 256
_WIDTH = 64
_HEADS = 4


class LoRALinear(nn.Module):
    """x ↦ (W + B A) x with W [outputs, inputs] frozen, A [rank, inputs] and B [outputs, rank] trained.

    B starts at zero, so an untrained adapter changes nothing (Hu et al. 2021).
    """

    def __init__(self, inputs, outputs, rank, *, train, base, adapter):
        super().__init__()
        self.register_buffer("weight", _normal((outputs, inputs), inputs**-0.5, base))
        self.lora_a = nn.Parameter(_normal((rank, inputs), inputs**-0.5, adapter), requires_grad=train)
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank, dtype=torch.float64), requires_grad=train)

    def forward(self, x):
        return x @ self.weight.T + (x @ self.lora_a.T) @ self.lora_b.T


class LoRALanguageModel(nn.Module):
    """Next-byte log-probabilities; its two seeds determine the model.

    Parameters
    ----------
    rank : int
        Rank of every adapter.
    base_seed, seed : int
        Seeds of the frozen weights and of the adapters.
    train_attn, train_mlp, train_unembed : bool
        Which adapters are trained.
    """

    def __init__(self, rank, *, base_seed=0, seed=0, train_attn=True, train_mlp=True, train_unembed=True):
        super().__init__()
        seeds = {
            "base": torch.Generator().manual_seed(base_seed),
            "adapter": torch.Generator().manual_seed(seed),
        }
        self.register_buffer("embedding", _normal((VOCABULARY, _WIDTH), 1.0, seeds["base"]))
        # ALiBi: instead of position embeddings, each head prefers near bytes, with a slope of its own.
        self.register_buffer("slopes", 2.0 ** torch.arange(1, 1 - _HEADS, -1, dtype=torch.float64))
        self.qkv = LoRALinear(_WIDTH, 3 * _WIDTH, rank, train=train_attn, **seeds)
        self.project = LoRALinear(_WIDTH, _WIDTH, rank, train=train_attn, **seeds)
        self.up = LoRALinear(_WIDTH, 2 * _WIDTH, rank, train=train_mlp, **seeds)
        self.down = LoRALinear(2 * _WIDTH, _WIDTH, rank, train=train_mlp, **seeds)
        self.unembed = LoRALinear(_WIDTH, VOCABULARY, rank, train=train_unembed, **seeds)

    def forward(self, tokens):
        """Return the log-probabilities [T, 256] of the byte after each of the `tokens` [T]."""
        x = self.embedding[tokens]
        x = x + self.project(self._attention(_normalized(x)))
        x = x + self.down(functional.gelu(self.up(_normalized(x))))
        return self.unembed(_normalized(x)).log_softmax(dim=-1)

    def target_logprobs(self, tokens, targets):
        """Return the log-probabilities of `targets`, [T] or [T, K], after each of the `tokens` [T]."""
        if len(targets) != len(tokens):
            raise ValueError(
                f"`targets` must have one row for each of {len(tokens)} tokens, got {len(targets)}."
            )
        return self(tokens).gather(-1, targets.reshape(len(tokens), -1)).reshape(targets.shape)

    def _attention(self, x):
        length = len(x)
        q, k, v = self.qkv(x).reshape(length, 3, _HEADS, -1).permute(1, 2, 0, 3)
        position = torch.arange(length)
        distance = position[:, None] - position
        bias = (-self.slopes[:, None, None] * distance).masked_fill(distance < 0, -torch.inf)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return attended.transpose(0, 1).reshape(length, -1)


def _normalized(x):
    return functional.rms_norm(x, (x.shape[-1],))


def _normal(shape, scale, generator):
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale
