#!/usr/bin/env python3
"""What PyTorch on the CPU needs for the work of some of kiln's specs; see bench/run.

usage: torch_peers.py --specs | [--repeat N] [--threads N]

--specs prints the specs, a line each. Otherwise, between tabs: facts ("torch<TAB>2.9.1"), and
"row<TAB>spec<TAB>way<TAB>median ms" for each way in which PyTorch can do it. A way that does not
work here is left out, with a word on stderr.
"""

import argparse
import statistics
import sys
import time

SHAPES = [(512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (512, 4096, 1024)]
HEADS, SEQ, HEAD_DIM = 16, 2048, 128


def matmul_spec(m, n, k):
    return f"matmul m={m} n={n} k={k}"


def gelu_spec(m, n, k, approx):
    return f"matmul_bias_gelu m={m} n={n} k={k} approx={approx}"


def attention_spec(causal):
    return (f"flash_attention batch=1 seq_q={SEQ} seq_k={SEQ} heads={HEADS} kv_heads={HEADS} "
            f"head_dim={HEAD_DIM} causal={int(causal)}")


def specs():
    for shape in SHAPES:
        yield matmul_spec(*shape)
    for shape in SHAPES:
        for approx in ("none", "tanh"):
            yield gelu_spec(*shape, approx)
    for causal in (False, True):
        yield attention_spec(causal)


def median_ms(work, repeat):
    """Of repeat calls, after some that warm up."""
    start = time.perf_counter()
    work()
    while time.perf_counter() - start < 0.2:
        work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measure(repeat, threads):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    print(f"torch\t{torch.__version__}")
    print(f"threads\t{torch.get_num_threads()}")
    print(f"isa\t{torch.backends.cpu.get_cpu_capability()}")
    print(f"blas\t{'MKL' if torch.backends.mkl.is_available() else 'no MKL'}, "
          f"oneDNN {'on' if torch.backends.mkldnn.is_available() else 'off'}")

    def row(spec, way, work):
        try:
            print(f"row\t{spec}\t{way}\t{median_ms(work, repeat):.4f}", flush=True)
        except Exception as error:  # a compiler that is not there, for one
            word = str(error).strip().splitlines()
            print(f"torch_peers: {way} of {spec}: {word[0] if word else error!r}", file=sys.stderr)

    with torch.inference_mode():
        for m, n, k in SHAPES:
            a, b = torch.randn(m, k), torch.randn(k, n)
            c = torch.empty(m, n)
            row(matmul_spec(m, n, k), "eager", lambda: torch.mm(a, b, out=c))
        for m, n, k in SHAPES:
            x, weight, bias = torch.randn(m, k), torch.randn(n, k), torch.randn(n)
            for approx in ("none", "tanh"):
                def block(x, weight, bias):
                    return F.gelu(F.linear(x, weight, bias), approximate=approx)

                compiled = torch.compile(block)
                spec = gelu_spec(m, n, k, approx)
                row(spec, "eager", lambda: block(x, weight, bias))
                row(spec, "compiled", lambda: compiled(x, weight, bias))
        q, k, v = (torch.randn(1, HEADS, SEQ, HEAD_DIM) for _ in range(3))
        for causal in (False, True):
            row(attention_spec(causal), "eager",
                lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--specs", action="store_true")
    parser.add_argument("--repeat", type=int, default=21)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.specs:
        print("\n".join(specs()))
    else:
        measure(arguments.repeat, arguments.threads)


if __name__ == "__main__":
    main()
