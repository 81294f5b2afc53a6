"""PyTorch beside `-Dbench=gpu`: the same adapters, sizes and types on the same GPU.

    python3 jmh/torch_gpu.py [tokens ...]

Prints microseconds of a forward pass that adds to y, and of a forward with its backward pass for
all gradients: as eager calls, and as a replayed CUDA graph, which leaves Python out.
"""

import statistics
import sys

import torch

FEATURES = 4096
RECORDED = 10
ROUNDS = 15
BASES = 8


def queued(work, calls=50):
    for _ in range(5):
        work()
    return timed(work, calls)


def recorded(work):
    """Median of several replays of a graph of the work."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(RECORDED):
            work()
    graph.replay()
    return statistics.median(timed(graph.replay, 1) for _ in range(ROUNDS)) / RECORDED


def timed(work, calls):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(calls):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) * 1e3 / calls


class Adapter:
    """LoRA, or AuroRA with tanh and the SUM spline of five intervals on [-1, 1]."""

    def __init__(self, method, rank, dtype):
        def random(*shape, scale=0.02):
            return scale * torch.randn(*shape, device="cuda", dtype=dtype)

        self.aurora = method == "AURORA"
        self.parameters = [random(rank, FEATURES), random(FEATURES, rank)]
        if self.aurora:
            self.parameters += [random(rank, rank), random(rank, BASES)]
        # Basis m is centred on -1 + (m - 1) h, with h = 2/5.
        self.centres = (torch.arange(BASES, device="cuda") - 1).to(dtype) * 0.4 - 1

    def hidden(self, x, parameters):
        z = x @ parameters[0].t()
        if not self.aurora:
            return z
        fixed = torch.tanh(torch.tanh(z) @ parameters[2].t())
        distance = ((z.unsqueeze(2) - self.centres) * 2.5).abs()
        outer = (2 - distance).relu() ** 3
        inner = (1 - distance).relu() ** 3
        sums = (outer - 4 * inner).sum(1) / 6
        return fixed + sums @ parameters[3].t()


def measure(dtype, tokens, rank, method):
    adapter = Adapter(method, rank, dtype)
    x, y, dy = (torch.randn(tokens, FEATURES, device="cuda", dtype=dtype) for _ in range(3))
    trained = [p.clone().requires_grad_() for p in adapter.parameters]
    input = x.clone().requires_grad_()

    @torch.no_grad()
    def forward():
        hidden = adapter.hidden(x, adapter.parameters)
        torch.addmm(y, hidden, adapter.parameters[1].t(), alpha=2.0, out=y)

    def step():
        out = 2.0 * (adapter.hidden(input, trained) @ trained[1].t())
        torch.autograd.grad(out, [input] + trained, dy)

    numbers = [recorded(forward), queued(forward), recorded(step), queued(step)]
    line = "{:8s} n {:4d} r {:3d} {:6s} forward {:8.1f} us ({:8.1f} queued); with backward {:8.1f} us ({:8.1f} queued)"
    name = {torch.bfloat16: "BF16", torch.float32: "F32"}[dtype]
    print(line.format(name, tokens, rank, method, *numbers), flush=True)


def main():
    torch.manual_seed(42)
    torch.backends.cuda.matmul.allow_tf32 = False
    print("PyTorch", torch.__version__, torch.cuda.get_device_name())
    for dtype in (torch.bfloat16, torch.float32):
        for tokens in [int(a) for a in sys.argv[1:]] or [1, 256, 4096]:
            for rank in (16, 64, 512):
                for method in ("LORA", "AURORA"):
                    measure(dtype, tokens, rank, method)


if __name__ == "__main__":
    main()
