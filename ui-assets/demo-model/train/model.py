"""The model: Idefics3's modules under its tensor names, written plainly so that two cores train them fast.

Equal to transformers' Idefics3ForConditionalGeneration (export.py checks it). A picture is one 128 px tile of 8 px patches; pixel
shuffle by 4 makes 16 image tokens of it.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

SIDE, PATCH, SHUFFLE = 128, 8, 4
GRID = SIDE // PATCH
CELLS = GRID // SHUFFLE  # image tokens a side
TOKENS = CELLS * CELLS
VISION = dict(width=96, mlp=288, layers=4, heads=3)
TEXT = dict(width=128, mlp=384, layers=4, heads=4, kv=2, head=32, theta=10000.0, eps=1e-5)


def grid_of_waves(width, side):
    """Fixed two-dimensional sines to start the position embedding from: neighbours look alike from the first step."""
    quarter = width // 4
    freq = torch.exp(torch.linspace(math.log(0.2), math.log(math.pi), quarter))
    a = torch.arange(side)[:, None] * freq
    waves = torch.cat([a.sin(), a.cos()], 1)
    rows, cols = waves[:, None].expand(side, side, -1), waves[None].expand(side, side, -1)
    return torch.cat([rows, cols], -1).reshape(side * side, -1)


def cosines(out, patch):
    """Low-frequency cosines of each colour axis to start the patch embedding from: a patch is seen, not guessed."""
    x = (torch.arange(patch) + 0.5) / patch
    basis = [torch.cos(math.pi * k * x) * (1 if k else math.sqrt(0.5)) for k in range(patch)]
    order = sorted(((u, v) for u in range(patch) for v in range(patch)), key=lambda p: (p[0] + p[1], abs(p[0] - p[1])))
    axes = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    axes = axes / axes.norm(dim=1, keepdim=True)
    planes = []
    for n, (u, v) in enumerate(order):
        gain = (1 + u + v) * 2 / patch
        for k, axis in enumerate(axes):
            if k == 0 or n < 16:
                planes.append(gain * axis[:, None, None] * (basis[u][:, None] * basis[v][None])[None])
    return torch.stack(planes[:out])


class Attend(torch.autograd.Function):
    """softmax(q k' / sqrt(d) + bias) v. Keeps the shares and reads them backwards: on a processor twice as fast as recomputing them."""

    @staticmethod
    def forward(ctx, q, k, v, bias):
        ctx.scale = q.shape[-1] ** -0.5
        scores = (q @ k.mT).mul_(ctx.scale)
        if bias is not None:
            scores += bias
        shares = scores.softmax(-1)
        ctx.save_for_backward(q, k, v, shares)
        return shares @ v

    @staticmethod
    def backward(ctx, g):
        q, k, v, shares = ctx.saved_tensors
        scores = torch._softmax_backward_data(g @ v.mT, shares, -1, shares.dtype).mul_(ctx.scale)
        return scores @ k, scores.mT @ q, shares.mT @ g, None


class Attention(nn.Module):
    def __init__(self, d, heads, kv, head, bias, out):
        super().__init__()
        self.heads, self.kv, self.head, self.out = heads, kv, head, out
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(d, n * head, bias=bias) for n in (heads, kv, kv))
        setattr(self, out, nn.Linear(heads * head, d, bias=bias))

    def forward(self, x, bias=None, rope=None):
        B, L, _ = x.shape
        q, k, v = (p(x).view(B, L, n, self.head).transpose(1, 2) for p, n in ((self.q_proj, self.heads), (self.k_proj, self.kv), (self.v_proj, self.kv)))
        if rope is not None:
            q, k = (t * rope[0] + torch.cat([-t[..., self.head // 2:], t[..., : self.head // 2]], -1) * rope[1] for t in (q, k))
        if self.kv != self.heads:
            k, v = (t.repeat_interleave(self.heads // self.kv, 1) for t in (k, v))
        y = Attend.apply(q.to(v.dtype).contiguous(), k.to(v.dtype).contiguous(), v.contiguous(), bias if bias is None else bias.to(v.dtype))
        return getattr(self, self.out)(y.transpose(1, 2).reshape(B, L, -1))


class VisionMlp(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, h), nn.Linear(h, d)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["width"]
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.self_attn, self.mlp = Attention(d, c["heads"], c["heads"], d // c["heads"], True, "out_proj"), VisionMlp(d, c["mlp"])

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.patch_embedding, self.position_embedding = nn.Conv2d(3, d, PATCH, PATCH), nn.Embedding(GRID * GRID, d)
        with torch.no_grad():
            self.patch_embedding.weight.copy_(cosines(d, PATCH))
            self.patch_embedding.bias.zero_()
            self.position_embedding.weight.copy_(0.5 * grid_of_waves(d, GRID))

    def forward(self, px):
        B = px.shape[0]  # the convolution as a matrix product: patches do not overlap
        p = px.reshape(B, 3, GRID, PATCH, GRID, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(B, GRID * GRID, -1)
        return F.linear(p, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias) + self.position_embedding.weight


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = Embeddings(VISION["width"])
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer(VISION) for _ in range(VISION["layers"]))
        self.post_layernorm = nn.LayerNorm(VISION["width"], 1e-6)

    def forward(self, px):
        x = self.embeddings(px)
        for layer in self.encoder.layers:
            x = layer(x)
        return self.post_layernorm(x)


class Connector(nn.Module):
    def __init__(self):
        super().__init__()
        self.modality_projection = nn.Module()
        self.modality_projection.proj = nn.Linear(VISION["width"] * SHUFFLE**2, TEXT["width"], bias=False)

    def forward(self, h):
        B, _, d = h.shape
        h = h.view(B, CELLS, SHUFFLE, CELLS, SHUFFLE, d).permute(0, 1, 3, 2, 4, 5).reshape(B, TOKENS, -1)
        return self.modality_projection.proj(h)


class TextMlp(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(d, h, bias=False), nn.Linear(d, h, bias=False), nn.Linear(h, d, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["width"]
        self.input_layernorm, self.post_attention_layernorm = nn.RMSNorm(d, c["eps"]), nn.RMSNorm(d, c["eps"])
        self.self_attn, self.mlp = Attention(d, c["heads"], c["kv"], c["head"], False, "o_proj"), TextMlp(d, c["mlp"])

    def forward(self, x, bias, rope):
        x = x + self.self_attn(self.input_layernorm(x), bias, rope)
        return x + self.mlp(self.post_attention_layernorm(x))


class Text(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        c = TEXT
        self.embed_tokens = nn.Embedding(vocab, c["width"])
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        self.layers = nn.ModuleList(TextLayer(c) for _ in range(c["layers"]))
        self.norm = nn.RMSNorm(c["width"], c["eps"])

    def forward(self, e, bias, pos):
        half = TEXT["head"] // 2
        freq = TEXT["theta"] ** (-torch.arange(half) / half)
        a = (pos[..., None] * freq).repeat(1, 1, 2)[:, None]
        rope = a.cos(), a.sin()
        for layer in self.layers:
            e = layer(e, bias, rope)
        return self.norm(e)


class Model(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.model = nn.Module()
        self.model.vision_model, self.model.connector, self.model.text_model = Vision(), Connector(), Text(vocab)
        self.lm_head = nn.Linear(TEXT["width"], vocab, bias=False)
        for name, p in self.named_parameters():
            if name.endswith(("out_proj.weight", "o_proj.weight", "fc2.weight", "down_proj.weight")):
                p.data *= 0.3
            elif name.endswith(".bias"):
                p.data.zero_()

    def see(self, px):
        """u8 pictures [B, 3, SIDE, SIDE] to patch features [B, GRID^2, width]."""
        return self.model.vision_model((px.float() / 255 - 0.5) / 0.5)

    def read(self, ids, image_id, features, seg, pos):
        """Hidden states of token rows whose image tokens are `features`. A token sees its own segment and segment 0, the prefix."""
        e = self.model.text_model.embed_tokens(ids)
        e = e.masked_scatter((ids == image_id)[..., None], features.reshape(-1, features.shape[-1]).to(e.dtype))
        L = ids.shape[1]
        see = torch.ones(L, L, dtype=torch.bool).tril()[None] & ((seg[:, :, None] == seg[:, None, :]) | (seg[:, None, :] == 0))
        bias = torch.zeros(see.shape).masked_fill(~see, -1e4)[:, None]
        return self.model.text_model(e, bias.bfloat16() if torch.is_autocast_enabled("cpu") else bias, pos)
