#!/usr/bin/env python3
"""Makes tests/golden/fixtures/*.fixture: what PyTorch says that kernels compute.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch numpy
    /tmp/venv/bin/python tests/golden/make_fixtures.py

Inputs are N(0,1), rounded to storage; PyTorch works on them in float64, gradients by autograd. A
file holds the cases of one kernel, each a header of lines and raw little-endian data:

    kiln fixture 1, torch VERSION
    spec WORDS                what kiln is asked for, without a variant
    args WORDS                launch-time dimensions and scalars
    oracle TOLERANCE          how far tests/reference.c may be off in norm: more than rounding in
                              double where a stored intermediate result is an input
    in NAME DTYPE EXTENT...
    out NAME f64|f32 EXTENT...  f32 where the input or the tolerance is no better
    data                      the tensors, one behind the other in the order of their lines
"""

import math
import os
import zlib

import torch

EXACT, STORED = 1e-12, {"f32": 1e-6, "f16": 2e-3, "bf16": 1e-2}
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i32": torch.int32}
files = {}


def store(x, dtype):
    """x as it is stored: a tensor of the storage type."""
    return x.detach().to(TYPES[dtype]).contiguous()


def extents_of(x):
    return " ".join(str(extent) for extent in x.shape)


def raw(x):
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().tobytes()
    return x.numpy().tobytes()


class Case:
    """One case: inputs are drawn, results are added, write() appends it to its kernel's file."""

    def __init__(self, spec, args, dtype="f32", oracle=EXACT):
        self.spec, self.args, self.dtype = spec, args, dtype
        self.oracle = oracle if dtype == "f32" else max(oracle, STORED["f32"])
        self.lines, self.data = [], []
        self.generator = torch.Generator().manual_seed(zlib.crc32(f"{spec} {args}".encode()))

    def give(self, name, x, dtype=None):
        """Stores x as an input; returns it in float64, a leaf of autograd if it is real."""
        dtype = dtype or self.dtype
        stored = store(x, dtype)
        self.lines.append(f"in {name} {dtype} {extents_of(stored)}")
        self.data.append(raw(stored))
        return stored.long() if dtype == "i32" else stored.double().requires_grad_()

    def draw(self, name, *extents, dtype=None):
        x = torch.randn(*extents, generator=self.generator, dtype=torch.float64)
        return self.give(name, x, dtype)

    def expect(self, name, x):
        size = 8 if self.oracle == EXACT else 4
        self.lines.append(f"out {name} f{8 * size} {extents_of(x)}")
        self.data.append(x.detach().contiguous().numpy().astype(f"<f{size}").tobytes())

    def write(self):
        lines = [f"kiln fixture 1, torch {torch.__version__}", f"spec {self.spec} dtype={self.dtype}",
                 f"args {self.args}", f"oracle {self.oracle:g}", *self.lines, "data", ""]
        kernel = self.spec.split()[0]
        files.setdefault(kernel, bytearray()).extend("\n".join(lines).encode() + b"".join(self.data))


def gradients(y, dy, *inputs):
    return torch.autograd.grad(y, inputs, dy)


# ---- products ----------------------------------------------------------------------------------


def linear(dtype, out=""):
    """Linear's forward and backward passes, without a bias: all three of the products."""
    m, n, k = 5, 11, 9
    args = f"m={m} n={n} k={k}"
    forward = Case("matmul_nt m=? n=? k=?" + out, args, dtype)
    x, w = forward.draw("a", m, k), forward.draw("b", n, k)
    y = torch.nn.functional.linear(x, w)
    forward.expect("c", y)
    forward.write()
    dy = store(torch.randn(m, n, generator=forward.generator, dtype=torch.float64), dtype)
    dx, dw = gradients(y, dy.double(), x, w)
    case = Case("matmul m=? n=? k=?" + out, f"m={m} n={k} k={n}", dtype)
    case.give("a", dy), case.give("b", w), case.expect("c", dx)
    case.write()
    case = Case("matmul_tn m=? n=? k=?" + out, f"m={n} n={k} k={m}", dtype)
    case.give("a", dy), case.give("b", x), case.expect("c", dw)
    case.write()


# ---- elementwise -------------------------------------------------------------------------------


def gelu(approx, dtype):
    m, n = 3, 19
    words = f"m=? n=? approx={approx}"
    case = Case("gelu " + words, f"m={m} n={n}", dtype)
    y = torch.nn.functional.gelu(case.draw("x", m, n), approximate=approx)
    case.expect("y", y)
    case.write()
    case = Case("gelu_backward " + words, f"m={m} n={n}", dtype)
    dy, x = case.draw("dy", m, n), case.draw("x", m, n)
    case.expect("dx", gradients(torch.nn.functional.gelu(x, approximate=approx), dy, x)[0])
    case.write()


def swiglu_of(x, layout):
    gate, up = (x[:, 0::2], x[:, 1::2]) if layout == "interleaved" else x.chunk(2, dim=1)
    return torch.nn.functional.silu(gate) * up


def swiglu(layout, dtype):
    m, n = 3, 13
    words = f"m=? n=? layout={layout}"
    case = Case("swiglu " + words, f"m={m} n={n}", dtype)
    case.expect("y", swiglu_of(case.draw("x", m, 2 * n), layout))
    case.write()
    case = Case("swiglu_backward " + words, f"m={m} n={n}", dtype)
    dy, x = case.draw("dy", m, n), case.draw("x", m, 2 * n)
    case.expect("dx", gradients(swiglu_of(x, layout), dy, x)[0])
    case.write()


def transpose(dtype):
    case = Case("transpose batch=? m=? n=?", "batch=2 m=3 n=5", dtype)
    case.expect("y", case.draw("x", 2, 3, 5).transpose(1, 2))
    case.write()


def bias(dtype):
    case = Case("bias_add m=? n=?", "m=4 n=7", dtype)
    x, b = case.draw("x", 4, 7), case.draw("bias", 7)
    y = x + b
    case.expect("y", y)
    case.write()
    case = Case("bias_backward m=? n=?", "m=4 n=7", dtype)
    case.expect("dbias", gradients(y, case.draw("dy", 4, 7), b)[0])
    case.write()


def rope_of(x, positions, style, rotary, theta):
    """gptj by complex numbers; neox by rotate_half, as the libraries of models write it."""
    inverse_frequency = theta ** (-torch.arange(0, rotary, 2, dtype=torch.float64) / rotary)
    angle = positions.double()[:, None] * inverse_frequency
    turned, rest = x[..., :rotary], x[..., rotary:]
    if style == "gptj":
        pairs = torch.view_as_complex(turned.reshape(*turned.shape[:-1], rotary // 2, 2))
        unit = torch.polar(torch.ones_like(angle), angle)[:, None, :]
        turned = torch.view_as_real(pairs * unit).flatten(-2)
    else:
        first, second = turned.chunk(2, dim=-1)
        both = torch.cat((angle, angle), dim=-1)[:, None, :]
        turned = turned * both.cos() + torch.cat((-second, first), dim=-1) * both.sin()
    return torch.cat((turned, rest), dim=-1)


def rope(style, dtype, rotary=None, theta=None):
    tokens, heads, head_dim = 4, 2, 12
    words = f"rope tokens=? heads={heads} head_dim={head_dim} style={style}"
    words += f" rotary_dim={rotary}" if rotary else ""
    words += f" theta={theta}" if theta else ""
    positions = torch.tensor([0, 1, 17, 300])
    case = Case(words, f"tokens={tokens}", dtype)
    x = case.draw("x", tokens, heads, head_dim)
    case.give("positions", positions, "i32")
    y = rope_of(x, positions, style, rotary or head_dim, theta or 10000)
    case.expect("y", y)
    case.write()
    case = Case(words + " inverse=1", f"tokens={tokens}", dtype)
    dy = case.draw("x", tokens, heads, head_dim)
    case.give("positions", positions, "i32")
    case.expect("y", gradients(y, dy, x)[0])
    case.write()


# ---- rows --------------------------------------------------------------------------------------


def softmax_of(x, scale, causal):
    m, n = x.shape[-2:]
    if causal:
        x = x.masked_fill(torch.ones(m, n).triu(n - m + 1).bool(), -math.inf)
    return torch.softmax(scale * x, dim=-1)


def softmax(dtype, scale=None, causal=False):
    batch, m, n = 2, 3, 7
    words, args = "batch=? m=? n=?", f"batch={batch} m={m} n={n}"
    scaled = f" scale={scale}" if scale else ""
    case = Case(f"softmax {words}{scaled}" + (" causal=1" if causal else ""), args, dtype)
    x = case.draw("x", batch, m, n)
    y = softmax_of(x, scale or 1, causal)
    case.expect("y", y)
    case.write()
    case = Case(f"softmax_backward {words}{scaled}", args, dtype, STORED[dtype])
    dy = case.draw("dy", batch, m, n)
    case.give("y", y)
    case.expect("dx", gradients(y, dy, x)[0])
    case.write()


def layernorm(dtype, beta=True, eps=None, out=""):
    m, n = 4, 21
    words = "m=? n=?" + ("" if beta else " beta=0")
    case = Case(f"layernorm {words}" + (f" eps={eps}" if eps else ""), f"m={m} n={n}", dtype)
    x, gamma = case.draw("x", m, n), case.draw("gamma", n)
    shift = case.draw("beta", n) if beta else None
    y = torch.nn.functional.layer_norm(x, (n,), gamma, shift, eps or 1e-5)
    mean, variance = x.mean(1), x.var(1, unbiased=False)
    rstd = 1 / torch.sqrt(variance + (eps or 1e-5))
    for name, value in (("y", y), ("mean", mean), ("rstd", rstd)):
        case.expect(name, value)
    case.write()
    case = Case(f"layernorm_backward {words}{out}", f"m={m} n={n}", dtype, STORED["f32"])
    dy = case.draw("dy", m, n)
    case.give("x", x), case.give("gamma", gamma)
    case.give("mean", mean, "f32"), case.give("rstd", rstd, "f32")
    wanted = (x, gamma, shift) if beta else (x, gamma)
    for name, value in zip(("dx", "dgamma", "dbeta"), gradients(y, dy, *wanted)):
        case.expect(name, value)
    case.write()


def rmsnorm(dtype, unit_offset=0, eps=None):
    m, n = 4, 21
    words = "m=? n=?" + (" unit_offset=1" if unit_offset else "")
    case = Case(f"rmsnorm {words}" + (f" eps={eps}" if eps else ""), f"m={m} n={n}", dtype)
    x, gamma = case.draw("x", m, n), case.draw("gamma", n)
    y = torch.nn.functional.rms_norm(x, (n,), gamma + unit_offset, eps or 1e-5)
    rstd = torch.rsqrt(x.square().mean(1) + (eps or 1e-5))
    case.expect("y", y), case.expect("rstd", rstd)
    case.write()
    case = Case(f"rmsnorm_backward {words}", f"m={m} n={n}", dtype, STORED["f32"])
    dy = case.draw("dy", m, n)
    case.give("x", x), case.give("gamma", gamma), case.give("rstd", rstd, "f32")
    for name, value in zip(("dx", "dgamma"), gradients(y, dy, x, gamma)):
        case.expect(name, value)
    case.write()


def cross_entropy(dtype, smoothing=0.0, z_loss=0.0, grad_scale=1.0, ignore=-100):
    tokens, vocab = 5, 23
    words = "cross_entropy tokens=? vocab=? dlogits=1"
    words += f" label_smoothing={smoothing}" if smoothing else ""
    words += f" z_loss={z_loss}" if z_loss else ""
    words += f" ignore_index={ignore}" if ignore != -100 else ""
    case = Case(words, f"tokens={tokens} vocab={vocab} grad_scale={grad_scale}", dtype)
    logits = case.draw("logits", tokens, vocab)
    targets = case.give("targets", torch.tensor([3, 22, ignore, 0, 11]), "i32")
    lse = torch.logsumexp(logits, 1)
    loss = torch.nn.functional.cross_entropy(logits, targets, reduction="none", ignore_index=ignore,
                                             label_smoothing=smoothing)
    loss = loss + torch.where(targets == ignore, 0.0, z_loss * lse.square())
    for name, value in (("loss", loss), ("lse", lse)):
        case.expect(name, value)
    case.expect("dlogits", gradients(loss, torch.full_like(loss, grad_scale), logits)[0])
    case.write()


def embedding(dtype):
    tokens, vocab, n = 6, 5, 7
    args = f"tokens={tokens} vocab={vocab} n={n}"
    ids = torch.tensor([4, 0, 2, 2, 0, 2])
    case = Case("embedding tokens=? vocab=? n=?", args, dtype)
    case.give("ids", ids, "i32")
    table = case.draw("table", vocab, n)
    y = torch.nn.functional.embedding(ids, table)
    case.expect("y", y)
    case.write()
    case = Case("embedding_backward tokens=? vocab=? n=?", args, dtype)
    case.give("ids", ids, "i32")
    dy, old = case.draw("dy", tokens, n), case.draw("dtable", vocab, n)
    case.expect("dtable", old + gradients(y, dy, table)[0])
    case.write()


# ---- attention ---------------------------------------------------------------------------------


def alibi_slopes(heads):
    """As the authors of ALiBi publish them."""

    def power_of_two(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(heads).is_integer():
        return power_of_two(heads)
    closest = 2 ** math.floor(math.log2(heads))
    return power_of_two(closest) + alibi_slopes(2 * closest)[0::2][: heads - closest]


def attention_of(q, k, v, causal=0, window=0, softcap=0.0, alibi=0, scale=0.0):
    """o and lse by einsum; rows that see nothing give zeros and -inf."""
    seq_q, heads, head_dim = q.shape[1:]
    seq_k, repeat = k.shape[1], heads // k.shape[2]
    k, v = k.repeat_interleave(repeat, dim=2), v.repeat_interleave(repeat, dim=2)
    s = torch.einsum("bihd,bjhd->bhij", q, k) * (scale or head_dim**-0.5)
    if softcap:
        s = softcap * torch.tanh(s / softcap)
    i = torch.arange(seq_q)[:, None] + seq_k - seq_q
    j = torch.arange(seq_k)[None, :]
    if alibi:
        slopes = torch.tensor(alibi_slopes(heads), dtype=torch.float64)
        s = s - slopes[:, None, None] * (i - j).abs()
    hidden = torch.zeros(seq_q, seq_k, dtype=torch.bool)
    if causal:
        hidden |= j > i
    if window:
        hidden |= (i - j).abs() >= window
    empty = hidden.all(1)
    s = s.masked_fill(hidden & ~empty[:, None], -math.inf)
    lse = torch.logsumexp(s, -1).masked_fill(empty, -math.inf)
    p = torch.softmax(s, -1).masked_fill(empty[:, None], 0.0)
    o = torch.einsum("bhij,bjhd->bihd", p, v)
    if not (window or softcap or alibi) and not (causal and seq_q != seq_k):
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        other = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=bool(causal), scale=scale or None).transpose(1, 2)
        assert torch.allclose(o, other, rtol=1e-12, atol=1e-12)
    return o, lse


def attention(dtype, extents, **options):
    batch, seq_q, seq_k, heads, kv_heads, head_dim = extents
    words = f"batch=? seq_q=? seq_k=? heads={heads} kv_heads={kv_heads} head_dim={head_dim}"
    words += "".join(f" {name}={value}" for name, value in options.items())
    args = f"batch={batch} seq_q={seq_q} seq_k={seq_k}"
    case = Case("flash_attention " + words, args, dtype)
    q = case.draw("q", batch, seq_q, heads, head_dim)
    k, v = (case.draw(name, batch, seq_k, kv_heads, head_dim) for name in "kv")
    o, lse = attention_of(q, k, v, **options)
    case.expect("o", o), case.expect("lse", lse)
    case.write()
    case = Case("flash_attention_backward " + words, args, dtype, STORED[dtype])
    dout = case.draw("dout", batch, seq_q, heads, head_dim)
    for name, value in (("o", o), ("q", q), ("k", k), ("v", v)):
        case.give(name, value)
    case.give("lse", lse, "f32")
    for name, value in zip(("dq", "dk", "dv"), gradients(o, dout, q, k, v)):
        case.expect(name, value)
    case.write()


# ---- fused -------------------------------------------------------------------------------------


def norm_linear(kind, dtype, words, **options):
    """A norm, Linear and what follows: torch.nn's layers with these weights."""
    m, n, k = 4, 13, 18
    case = Case(f"{kind}_matmul m=? n=? k=? layout=nt save_stats=1{words}", f"m={m} n={n} k={k}", dtype)
    a, w, gamma = case.draw("a", m, k), case.draw("b", n, k), case.draw("gamma", k)
    if kind == "layernorm":
        beta = case.draw("beta", k) if options.get("beta", 1) else None
        y = torch.nn.functional.layer_norm(a, (k,), gamma, beta, 1e-5)
        case.expect("mean", a.mean(1))
        rstd = 1 / torch.sqrt(a.var(1, unbiased=False) + 1e-5)
    else:
        y = torch.nn.functional.rms_norm(a, (k,), gamma + options.get("unit_offset", 0), 1e-5)
        rstd = torch.rsqrt(a.square().mean(1) + 1e-5)
    case.expect("rstd", rstd)
    c = torch.nn.functional.linear(y, w, case.draw("bias", n) if options.get("bias") else None)
    if "approx" in options:
        c = torch.nn.functional.gelu(c, approximate=options["approx"])
    case.expect("c", c)
    case.write()


def gelu_linear(approx, dtype):
    """GELU, Linear; and the gradients through Linear, GELU and the bias in front of it."""
    m, n, k = 4, 11, 18
    case = Case(f"gelu_matmul m=? n=? k=? layout=nt bias=1 approx={approx}", f"m={m} n={n} k={k}", dtype)
    a, w = case.draw("a", m, k), case.draw("b", n, k)
    gelu = torch.nn.functional.gelu
    case.expect("c", torch.nn.functional.linear(gelu(a, approximate=approx), w, case.draw("bias", n)))
    case.write()
    case = Case(f"matmul_gelu_backward m=? n=? k=? approx={approx} dbias=1 out_dtype=f32",
                f"m={m} n={n} k={k}", dtype)
    dy, w, x = case.draw("a", m, k), case.draw("b", k, n), case.draw("x", m, n)
    bias = torch.zeros(n, dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.linear(gelu(x + bias, approximate=approx), w)
    for name, value in zip(("c", "dbias"), gradients(y, dy, x, bias)):
        case.expect(name, value)
    case.write()


def swiglu_linear(gate, layout, dtype):
    m, n, k = 4, 11, 18
    case = Case(f"matmul_swiglu m=? n=? k=? gate={gate} layout={layout} save_pre=1",
                f"m={m} n={n} k={k}", dtype)
    a, b = case.draw("a", m, k), case.draw("b", *((2 * n, k) if layout == "nt" else (k, 2 * n)))
    pre = a @ (b.T if layout == "nt" else b)
    case.expect("pre", pre), case.expect("c", swiglu_of(pre, gate))
    case.write()


def qkv(heads, kv_heads, head_dim, dtype):
    m, k = 4, 18
    case = Case(f"qkv_projection m=? k=? heads={heads} kv_heads={kv_heads} head_dim={head_dim} "
                "layout=nt bias=1", f"m={m} k={k}", dtype)
    widths = heads * head_dim, kv_heads * head_dim, kv_heads * head_dim
    a, w, b = case.draw("a", m, k), case.draw("w", sum(widths), k), case.draw("bias", sum(widths))
    for name, part in zip("qkv", torch.nn.functional.linear(a, w, b).split(widths, dim=1)):
        case.expect(name, part)
    case.write()


def residual_norm(kind, dtype):
    m, n = 4, 21
    case = Case(f"residual_{kind} m=? n=?", f"m={m} n={n}", dtype)
    x = case.draw("x", m, n) + case.draw("residual", m, n)
    gamma = case.draw("gamma", n)
    case.expect("sum", x)
    if kind == "layernorm":
        case.expect("y", torch.nn.functional.layer_norm(x, (n,), gamma, case.draw("beta", n), 1e-5))
        case.expect("mean", x.mean(1))
        case.expect("rstd", 1 / torch.sqrt(x.var(1, unbiased=False) + 1e-5))
    else:
        case.expect("y", torch.nn.functional.rms_norm(x, (n,), gamma, 1e-5))
        case.expect("rstd", torch.rsqrt(x.square().mean(1) + 1e-5))
    case.write()


# ---- optimiser ---------------------------------------------------------------------------------


def optimiser(dtype, steps, max_norm, decay, n=13):
    """The last of so many steps, its state rounded to storage just before."""
    generator = torch.Generator().manual_seed(steps)
    param = torch.nn.Parameter(torch.randn(n, generator=generator, dtype=torch.float64))
    lr, beta1, beta2, eps = 3e-3, 0.9, 0.95, 1e-8
    adamw = torch.optim.AdamW([param], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay)
    for step in range(1, steps):
        param.grad = torch.randn(n, generator=generator, dtype=torch.float64)
        adamw.step()
    grad = store(torch.randn(n, generator=generator, dtype=torch.float64), dtype).double()
    state = adamw.state[param]
    with torch.no_grad():
        for x in (param, *(state[name] for name in ("exp_avg", "exp_avg_sq") if state)):
            x.copy_(x.float())
    moments = [state[name].clone() if state else torch.zeros(n) for name in ("exp_avg", "exp_avg_sq")]
    param.grad = grad.clone()
    norm = torch.nn.utils.clip_grad_norm_([param], max_norm)
    clip = (param.grad / grad)[0]
    case = Case("grad_norm n=?", f"n={n} max_norm={max_norm}", dtype)
    case.give("g", grad)
    case.expect("sumsq", norm.square().reshape(1)), case.expect("clip", clip.reshape(1))
    case.write()
    scalars = f"lr={lr} beta1={beta1} beta2={beta2} eps={eps} weight_decay={decay} step={steps}"
    case = Case("adamw n=? param_out=1 clip=1", f"n={n} {scalars}", dtype, STORED["f32"])
    case.give("g", grad), case.give("param", param, "f32")
    case.give("m", moments[0], "f32"), case.give("v", moments[1], "f32")
    case.give("clip", clip.reshape(1), "f32")
    adamw.step()
    state = adamw.state[param]
    for name, value in (("param", param), ("m", state["exp_avg"]), ("v", state["exp_avg_sq"]),
                        ("param_out", param)):
        case.expect(name, value)
    case.write()


def main():
    for dtype in ("f32", "bf16"):
        linear(dtype)
    linear("f16", " out_dtype=f32")
    for approx in ("none", "tanh"):
        gelu(approx, "f32"), gelu(approx, "bf16")
    for layout in ("split", "interleaved"):
        swiglu(layout, "f32"), swiglu(layout, "f16")
    transpose("f32"), bias("f32"), bias("bf16")
    rope("neox", "f32"), rope("gptj", "f32"), rope("neox", "bf16", rotary=8, theta=500000)
    rope("gptj", "f16", rotary=4)
    softmax("f32"), softmax("f32", 0.125), softmax("f32", causal=True), softmax("bf16", 2.0, True)
    layernorm("f32"), layernorm("f32", beta=False, eps=1e-2), layernorm("bf16", out=" out_dtype=f32")
    rmsnorm("f32"), rmsnorm("f32", 1, 1e-6), rmsnorm("f16")
    cross_entropy("f32"), cross_entropy("f32", 0.1, 1e-3, 0.25), cross_entropy("bf16", 0.1, ignore=7)
    cross_entropy("f32", z_loss=0.01, ignore=-1)
    embedding("f32"), embedding("bf16")
    attention("f32", (2, 2, 3, 2, 2, 8))
    attention("f32", (1, 4, 4, 4, 2, 8), causal=1)
    attention("f32", (1, 3, 6, 2, 1, 8), causal=1, window=2)
    attention("f32", (1, 6, 3, 2, 1, 8), causal=1)
    attention("f32", (1, 3, 3, 2, 1, 16), softcap=2.0, scale=0.5)
    attention("f32", (1, 2, 3, 6, 3, 8), alibi=1, causal=1)
    attention("f32", (1, 3, 2, 4, 1, 8), alibi=1, window=2)
    attention("bf16", (1, 3, 5, 2, 1, 16), causal=1)
    attention("f16", (1, 3, 3, 2, 2, 24))
    optimiser("f32", 1, 1.0, 0.1), optimiser("f32", 5, 100.0, 0.01), optimiser("bf16", 3, 0.5, 0.0)
    norm_linear("layernorm", "f32", " bias=1", bias=1)
    norm_linear("layernorm", "f32", " beta=0 gelu=1 approx=none", beta=0, approx="none")
    norm_linear("layernorm", "bf16", " bias=1 gelu=1 approx=tanh", bias=1, approx="tanh")
    norm_linear("rmsnorm", "f32", ""), norm_linear("rmsnorm", "f16", " unit_offset=1 bias=1",
                                                   unit_offset=1, bias=1)
    gelu_linear("none", "f32"), gelu_linear("tanh", "bf16")
    swiglu_linear("split", "nt", "f32"), swiglu_linear("interleaved", "nn", "f32")
    swiglu_linear("interleaved", "nt", "bf16")
    qkv(4, 2, 5, "f32"), qkv(2, 1, 16, "bf16")
    for kind in ("layernorm", "rmsnorm"):
        residual_norm(kind, "f32"), residual_norm(kind, "bf16")
    directory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    os.makedirs(directory, exist_ok=True)
    for kernel, data in files.items():
        with open(os.path.join(directory, kernel + ".fixture"), "wb") as out:
            out.write(data)
    print(len(files), "files,", sum(map(len, files.values())), "bytes")


main()
