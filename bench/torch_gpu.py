#!/usr/bin/env python3
"""What PyTorch on a GPU needs for the work of some of kiln's specs; see bench/tables_gpu.sh.

usage: torch_gpu.py [--seconds S] [--compile] [--device cpu] SPEC...

Prints, between tabs, facts ("torch<TAB>2.9.1") and "row<TAB>spec<TAB>way<TAB>median ms": the time between
CUDA events around each call, of calls for S seconds after some that warm up, on random numbers. A way that
does not work here is left out, with a word on stderr.
"""

import argparse
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
SDPA = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}


def timed_once(work, device):
    if device == "cpu":  # to try this program out
        start = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - start)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def median_ms(work, seconds, device):
    for _ in range(3):
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 10:
        times.append(timed_once(work, device))
    return statistics.median(times)


def parse(spec):
    name, *words = spec.split()
    return name, dict(word.split("=") for word in words)


class Spec:
    """A spec's words, and tensors for them."""

    def __init__(self, spec, device):
        self.name, self.options = parse(spec)
        self.device = device
        self.dtype = DTYPES[self.word("dtype", "f32")]

    def word(self, option, fallback=None):
        return self.options.get(option, fallback)

    def number(self, option, fallback=1):
        return int(self.options.get(option, fallback))

    def new(self, *shape, dtype=None):
        return torch.randn(*shape, device=self.device).to(dtype or self.dtype)

    def ids(self, count, below):
        return torch.randint(below, (count,), device=self.device)


def products(s):
    m, n, k = (s.number(d) for d in "mnk")
    torch.backends.cuda.matmul.allow_tf32 = s.word("compute") == "tf32"
    if s.name == "qkv_projection":
        n = (s.number("heads") + 2 * s.number("kv_heads")) * s.number("head_dim")
    columns = 2 * n if s.name == "matmul_swiglu" else n
    a, bias, residual = s.new(m, k), s.new(columns), s.new(m, n)
    b = s.new(k, columns)
    if s.name == "matmul_nt":
        b = b.t().contiguous().t()
    if s.name == "matmul_tn":
        a = a.t().contiguous().t()
    gamma, beta = s.new(k), s.new(k)
    approx = s.word("approx", "none")
    return {
        "matmul": lambda: a @ b,
        "matmul_nt": lambda: a @ b,
        "matmul_tn": lambda: a @ b,
        "qkv_projection": lambda: a @ b,
        "matmul_bias_gelu": lambda: F.gelu(torch.addmm(bias, a, b), approximate=approx),
        "matmul_bias_residual": lambda: torch.addmm(bias, a, b) + residual,
        "gelu_matmul": lambda: F.gelu(a, approximate=approx) @ b,
        "layernorm_matmul": lambda: F.layer_norm(a, (k,), gamma, beta) @ b,
        "rmsnorm_matmul": lambda: F.rms_norm(a, (k,), gamma) @ b,
        "matmul_swiglu": lambda: (lambda x: F.silu(x[:, :n]) * x[:, n:])(a @ b),
    }[s.name]


def rows_and_elements(s):
    m, n = s.number("m"), s.number("n")
    x, dy, residual = s.new(m, n), s.new(m, n), s.new(m, n)
    gamma, beta, bias = s.new(n), s.new(n), s.new(n)
    approx = s.word("approx", "none")
    aten = torch.ops.aten
    if s.name.startswith("swiglu"):
        x = s.new(m, 2 * n)
    mean, rstd = s.new(m, 1, dtype=torch.float32), s.new(m, 1, dtype=torch.float32).abs()
    y = torch.softmax(x, -1) if s.name == "softmax_backward" else None

    def added(norm):
        total = x + residual
        return total, norm(total)

    return {
        "bias_add": lambda: x + bias,
        "residual_add": lambda: x + residual,
        "gelu": lambda: F.gelu(x, approximate=approx),
        "gelu_backward": lambda: aten.gelu_backward(dy, x, approximate=approx),
        "swiglu": lambda: F.silu(x[:, :n]) * x[:, n:],
        "dropout": lambda: F.dropout(x, 0.1, training=True),
        "transpose": lambda: x.t().contiguous(),
        "bias_backward": lambda: dy.sum(0),
        "softmax": lambda: torch.softmax(x, -1),
        "softmax_backward": lambda: aten._softmax_backward_data(dy, y, -1, s.dtype),
        "layernorm": lambda: F.layer_norm(x, (n,), gamma, beta),
        "rmsnorm": lambda: F.rms_norm(x, (n,), gamma),
        "residual_layernorm": lambda: added(lambda t: F.layer_norm(t, (n,), gamma, beta)),
        "residual_rmsnorm": lambda: added(lambda t: F.rms_norm(t, (n,), gamma)),
        "layernorm_backward": lambda: aten.native_layer_norm_backward(
            dy, x, [n], mean, rstd, gamma, beta, [True, True, True]
        ),
    }[s.name]


def embedding(s):
    tokens, vocab, n = s.number("tokens"), s.number("vocab"), s.number("n")
    ids, table, dy = s.ids(tokens, vocab), s.new(vocab, n), s.new(tokens, n)
    if s.name == "embedding":
        return lambda: F.embedding(ids, table)
    return lambda: torch.ops.aten.embedding_dense_backward(dy, ids, vocab, -1, False)


def rope(s):
    tokens, heads, size = s.number("tokens"), s.number("heads"), s.number("head_dim")
    x = s.new(tokens, heads, size)
    angle = torch.rand(tokens, 1, size // 2, device=s.device)
    cos, sin = (f(angle).to(s.dtype) for f in (torch.cos, torch.sin))

    def turned():
        one, other = x[..., : size // 2], x[..., size // 2 :]
        return torch.cat((one * cos - other * sin, other * cos + one * sin), -1)

    return turned


def with_gradient(work):
    """Inference mode has no gradients."""

    def run():
        with torch.inference_mode(False), torch.enable_grad():
            return work()

    return run


def cross_entropy(s):
    with torch.inference_mode(False):
        logits = s.new(s.number("tokens"), s.number("vocab")).requires_grad_()
        targets = s.ids(s.number("tokens"), s.number("vocab"))

        def work():
            logits.grad = None
            F.cross_entropy(logits, targets).backward()

    return with_gradient(work)


def adamw(s):
    with torch.inference_mode(False):
        weight = torch.nn.Parameter(s.new(s.number("n")))
        weight.grad = s.new(s.number("n"))
        optimiser = torch.optim.AdamW([weight], lr=1e-3, fused=s.device == "cuda")
    return with_gradient(optimiser.step)


def attention(s, backend):
    batch, size = s.number("batch"), s.number("head_dim")
    backward = s.name.endswith("_backward")

    def new(seq, heads):
        x = s.new(batch, s.number(seq), s.number(heads), size).transpose(1, 2)
        return x.requires_grad_() if backward else x

    def forward():
        with sdpa_kernel(SDPA[backend]):
            return F.scaled_dot_product_attention(
                q, k, v, is_causal=s.number("causal", 0) == 1, enable_gqa=q.shape[1] != k.shape[1]
            )

    with torch.inference_mode(not backward), torch.set_grad_enabled(backward):
        q, k, v = new("seq_q", "heads"), new("seq_k", "kv_heads"), new("seq_k", "kv_heads")
        if not backward:
            return forward
        out, dout = forward(), new("seq_q", "heads").detach()
        return with_gradient(lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True))


CHAINS = {
    "embedding": embedding,
    "embedding_backward": embedding,
    "rope": rope,
    "cross_entropy": cross_entropy,
    "adamw": adamw,
}


def chain(spec, device):
    """The work as a function of nothing."""
    s = Spec(spec, device)
    if s.name in CHAINS:
        return CHAINS[s.name](s)
    return products(s) if "matmul" in s.name or s.name == "qkv_projection" else rows_and_elements(s)


def ways_of(spec, args):
    if spec.startswith("flash_attention"):
        return [(way, lambda way=way: attention(Spec(spec, args.device), way)) for way in SDPA]
    ways = [("eager", lambda: chain(spec, args.device))]
    if args.compile:
        ways.append(("compiled", lambda: torch.compile(chain(spec, args.device))))
    return ways


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("specs", nargs="*")
    args = parser.parse_args()
    torch.manual_seed(1)
    print(f"torch\t{torch.__version__}")
    print(f"gpu\t{torch.cuda.get_device_name() if args.device == 'cuda' else 'none'}")
    with torch.inference_mode():
        for spec in args.specs:
            for way, make in ways_of(spec, args):
                try:
                    print(f"row\t{spec}\t{way}\t{median_ms(make(), args.seconds, args.device):.4f}", flush=True)
                except Exception as error:  # a compiler that is not there, a row that has no peer
                    word = str(error).strip().splitlines()
                    print(f"torch_gpu: {way} of {spec}: {word[0] if word else error!r}", file=sys.stderr)
                if args.device == "cuda":
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
