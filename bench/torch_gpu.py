#!/usr/bin/env python3
"""What PyTorch on a GPU needs for the work of some of kiln's specs; see bench/tables_gpu.sh.

usage: torch_gpu.py [--seconds S] [--compile] SPEC...

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

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def median_ms(work, seconds):
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 10:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def parse(spec):
    name, *words = spec.split()
    return name, dict(word.split("=") for word in words)


def chain(spec):
    """The work as a function of nothing, or None if it is not known here."""
    name, o = parse(spec)
    m, n, k = (int(o.get(d, 1)) for d in "mnk")
    torch.backends.cuda.matmul.allow_tf32 = o.get("compute") == "tf32"
    dtype = DTYPES[o.get("dtype", "f32")]
    if name == "qkv_projection":
        n = (int(o["heads"]) + 2 * int(o["kv_heads"])) * int(o["head_dim"])
    columns = 2 * n if name == "matmul_swiglu" else n

    def new(*shape):
        return torch.randn(*shape, device="cuda").to(dtype)

    a, bias, residual = new(m, k), new(columns), new(m, n)
    b = new(k, columns)
    if name == "matmul_nt":
        b = b.t().contiguous().t()
    if name == "matmul_tn":
        a = a.t().contiguous().t()
    gamma, beta = new(k), new(k)
    approx = o.get("approx", "none")
    ways = {
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
        "copy": lambda: residual.copy_(a),
    }
    return ways.get(name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("specs", nargs="*")
    args = parser.parse_args()
    torch.manual_seed(1)
    print(f"torch\t{torch.__version__}")
    print(f"gpu\t{torch.cuda.get_device_name()}")
    with torch.inference_mode():
        for spec in args.specs:
            work = chain(spec)
            ways = [("eager", lambda: work)]
            if args.compile:
                ways.append(("compiled", lambda: torch.compile(work)))
            for way, made in ways:
                try:
                    print(f"row\t{spec}\t{way}\t{median_ms(made(), args.seconds):.4f}", flush=True)
                except Exception as error:  # a compiler that is not there, for one
                    word = str(error).strip().splitlines()
                    print(f"torch_gpu: {way} of {spec}: {word[0] if word else error!r}", file=sys.stderr)
            del work
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
