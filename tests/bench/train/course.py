"""How both networks are taught: AdamW over one cycle of its rate, in bfloat16, with a moving average of the weights that is what ships."""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]  # pictures, and what is wanted of them


@dataclass(frozen=True, slots=True)
class Course:
    """`clip` is the longest slope followed, `memory` the share of the average that each step keeps, `every` the steps between savings."""

    name: str
    folder: Path
    steps: int
    rate: float
    start: Path | None
    warm: float
    decay: float
    clip: float
    memory: float
    every: int

    def teach(
        self, net: nn.Module, batches: Iterable[Batch], loss: Callable[[Tensor, Tensor], Tensor], tell: Callable[[nn.Module], str]
    ) -> nn.Module:
        """Ends with the last of `steps` batches; `tell` says how good the average is, each time that is saved."""
        if self.start:
            net.load_state_dict(torch.load(self.start))
        print(f"{sum(each.numel() for each in net.parameters())} weights", flush=True)
        keep = torch.optim.swa_utils.get_ema_multi_avg_fn(self.memory)
        average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=keep, use_buffers=True)
        descent = torch.optim.AdamW(net.parameters(), self.rate, weight_decay=self.decay)
        plan = torch.optim.lr_scheduler.OneCycleLR(descent, self.rate, total_steps=self.steps, pct_start=self.warm)
        started, running = time.monotonic(), 0.0
        for step, (x, wanted) in zip(range(1, self.steps + 1), batches, strict=False):
            running += self._step(net.train(), descent, x, wanted, loss)
            plan.step()
            average.update_parameters(net)
            if step % 50 == 0:
                print(f"{step} {running / 50:.4f} {time.monotonic() - started:.0f} s", flush=True)
                running = 0.0
            if step % self.every == 0 or step == self.steps:
                with torch.no_grad():
                    print(f"  {tell(average.eval())}", flush=True)
                torch.save(average.module.state_dict(), self.folder / f"{self.name}.pt")
        taught: nn.Module = average.module
        return taught

    def _step(
        self, net: nn.Module, descent: torch.optim.Optimizer, x: Tensor, wanted: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            out = net(x.to(memory_format=torch.channels_last))
        value = loss(out, wanted)
        descent.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), self.clip)
        descent.step()
        return float(value.detach())


def options(parser: argparse.ArgumentParser, *, steps: int, batch: int, rate: float) -> argparse.Namespace:
    """What both programs are told."""
    parser.add_argument("--fonts", type=Path, action="append", required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/train"))
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    return parser.parse_args()


def exported(net: nn.Module, file: Path, example: Tensor, names: tuple[str, str], free: dict[int, str]) -> None:
    """Writes an ONNX file; `names` are those of what goes in and comes out, `free` the axes that may have any size."""
    torch.onnx.export(
        net.eval().to(memory_format=torch.contiguous_format),
        (example,),
        str(file),
        input_names=names[:1],
        output_names=names[1:],
        dynamic_axes=dict.fromkeys(names, free),
        opset_version=13,
        dynamo=False,
    )
