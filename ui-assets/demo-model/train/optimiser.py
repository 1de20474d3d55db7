"""Muon for the matrices between layers, AdamW for all else: a small transformer learns in about half the steps of AdamW alone.

Muon (Jordan et al., 2024): the momentum of each matrix is replaced by the nearest orthogonal one, found by five Newton-Schulz steps.
Matrices of one shape go through them together.
"""
import torch


def orthogonal(m):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = m / (m.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    flip = x.shape[-2] > x.shape[-1]
    if flip:
        x = x.mT
    for _ in range(5):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if flip else x


class Muon:
    """`lr` is set by the caller before each step, like the learning rate of a torch group."""

    def __init__(self, params, lr, momentum=0.95, decay=0.01):
        self.lr, self.momentum, self.decay, self.state = lr, momentum, decay, {}
        self.groups = {}
        for name, p in params:
            self.groups.setdefault(p.shape, []).append((name, p))

    @torch.no_grad()
    def step(self):
        for shape, group in self.groups.items():
            group = [(n, p) for n, p in group if p.grad is not None]
            if not group:
                continue
            updates = []
            for name, p in group:
                buf = self.state.setdefault(name, torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - self.momentum)
                updates.append(p.grad.lerp(buf, self.momentum))
            out = orthogonal(torch.stack(updates)) * max(1, shape[0] / shape[1]) ** 0.5
            for (_, p), u in zip(group, out):
                p.mul_(1 - self.lr * self.decay).sub_(u, alpha=self.lr)

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = {k: v.clone() for k, v in state.items()}


class Both:
    """The two together over named parameters; `names(n)` chooses who is trained."""

    def __init__(self, named, muon_lr=0.02, adam_lr=2e-3):
        named = [(n, p) for n, p in named if p.requires_grad]
        inner = lambda n, p: p.ndim == 2 and "embed" not in n and "lm_head" not in n and not n.startswith("heads")
        self.muon = Muon([(n, p) for n, p in named if inner(n, p)], muon_lr)
        rest = [(n, p) for n, p in named if not inner(n, p)]
        self.adam = torch.optim.AdamW([p for _, p in rest], lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.rates, self.params = (muon_lr, adam_lr), [p for _, p in named]

    def step(self, scale):
        """One step at `scale` of the full rates; gradients are clipped and then cleared."""
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.muon.lr = self.rates[0] * scale
        self.adam.param_groups[0]["lr"] = self.rates[1] * scale
        self.muon.step()
        self.adam.step()
        for p in self.params:
            p.grad = None

    def state_dict(self):
        return dict(muon=self.muon.state_dict(), adam=self.adam.state_dict())

    def load_state_dict(self, state):
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
