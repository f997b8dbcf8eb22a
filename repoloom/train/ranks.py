"""The processes of one training, as torchrun started them: what each takes of a step, and how they agree.

Everything here does nothing for a single process, so that the loop is written once. Ranks count through four
dimensions, the fastest last: replicate, shard, context, tensor. Those that differ in the last two alone see the same
rows, and divide each row's tokens.
"""

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.rendezvous import rendezvous

from repoloom import engine, recipe, stage
from repoloom.errors import UsageError, UserError
from repoloom.stage import Work
from repoloom.train import speed

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, compiling and the largest checkpoint included, before it takes them for
lost. One that dies is noticed at once: its connections close."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of the training; the only one where nothing else is said."""

    settings: recipe.Parallel
    rank: int = 0
    count: int = 1
    mesh: DeviceMesh | None = None
    """Of `replicate`, `shard` and `tensor`, where the second has the context ranks in it: weights are divided between
    them, too. None for a single process."""
    context: DeviceMesh | None = None
    """Those that share this one's sequences; None where there are no others."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes: metrics, manifest, model, progress."""
        return self.rank == 0

    @property
    def copies(self) -> int:
        """How many processes see the same rows."""
        return self.settings.context * self.settings.tensor

    @property
    def shares(self) -> int:
        """Into how many parts the rows of a batch are divided."""
        return self.count // self.copies

    @property
    def share(self) -> int:
        """Which of these parts this process takes."""
        return self.rank // self.copies

    @property
    def parts(self) -> list[tuple[int, int]]:
        """How the tokens of a row are divided: into so many, of which this process has that one, and that again."""
        context, tensor = self.settings.context, self.settings.tensor
        return [(context, self.rank // tensor % context), (tensor, self.rank % tensor)]

    def rows(self, count: int) -> int:
        """The rows that a process takes of a batch of `count`; the last may have fewer."""
        return -(-count // self.shares)

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """The sum of each number over all processes, in float64."""
        return self._reduce(numbers, dist.ReduceOp.SUM)

    def largest(self, numbers: Sequence[float]) -> list[float]:
        """The largest of each number over all processes, in float64."""
        return self._reduce(numbers, dist.ReduceOp.MAX)

    def _reduce(self, numbers: Sequence[float], how: dist.ReduceOp.RedOpType) -> list[float]:
        if self.mesh is None:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=speed.device())
        dist.all_reduce(total, how)
        found: list[float] = total.tolist()
        return found

    def total(self, notes: Mapping[str, Any]) -> dict[str, dict[str, int]]:
        """Tables of counts, each of a process's rows, for the rows of all: the same names in every process."""
        numbers = iter(self.sum([number for table in notes.values() for number in table.values()]))
        return {name: {key: int(next(numbers)) // self.copies for key in table} for name, table in notes.items()}

    def any(self, *flags: bool) -> list[bool]:
        """Of each flag, whether it is set in some process: what they must do together, or not at all."""
        return [number > 0 for number in self.sum([float(flag) for flag in flags])]

    def agree(self, value: T) -> T:
        """What the first process says, whatever this one does: a time, a plan, a decision."""
        if self.mesh is None:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0, device=torch.device("cpu"))
        return said[0]

    def gather(self, value: T) -> list[T]:
        """What each process says, in their order, on all of them."""
        if self.mesh is None:
            return [value]
        said: list[Any] = [None] * self.count
        dist.all_gather_object(said, value)
        return said

    @contextlib.contextmanager
    def build(self, folder: Any, name: str, **identity: Any) -> Iterator[Work]:
        """`stage.build` by the first process; the others follow it: they see what it found, and write nothing."""
        if self.first:
            with stage.build(folder, name, **identity) as work:
                self.agree((work.finished, work.resumed))
                yield work
        else:
            finished, resumed = self.agree((None, False))
            with stage.told(name, folder):
                yield Work(folder, "", "", finished, resumed)


ALONE = Ranks(recipe.Parallel())


@contextlib.contextmanager
def joined(settings: recipe.Parallel) -> Iterator[Ranks]:
    """Join the other processes of this training, if torchrun started any, and part from them at the end.

    All but the first are silent on stderr meanwhile. Raises UsageError where the recipe's numbers do not come to the
    processes that there are.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    _shard(settings, count)
    if count == 1:
        yield Ranks(settings)
        return
    if "TORCHELASTIC_RUN_ID" in os.environ:
        engine.die_with_parent()  # torchrun starts its processes in sessions of their own: killed, it would leave them
    device = speed.device()
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    store, rank, _ = next(rendezvous("env://", timeout=PATIENCE))
    try:
        store = _fresh(store, rank, count)
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)
        ranks = placed(settings, count, device.type)
        with contextlib.nullcontext() if ranks.first else _silent():
            yield ranks
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error).lower():
            raise
        line = f"process {rank} of {count} lost another: start again, to go on from the last checkpoint"
        raise UserError(line) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _fresh(store: Store, rank: int, count: int) -> Store:
    """A corner of the store that only the processes of this very start write to.

    torchrun keeps its store when it starts processes again, so that new ones would find the addresses of the dead ones
    there; and it counts restarts by machine, so that the count is no common name. So the first process names the
    corner: it hears of each other one by a word that nobody had before, answers to that word, and goes on once all
    have heard.
    """
    word = uuid.uuid4().hex
    if rank > 0:
        store.set(f"here/{rank}", word)
        name = store.get(f"corner/{word}").decode()
        store.set(f"heard/{name}/{rank}", "")
        return PrefixStore(name, store)
    waiting, deadline = set(range(1, count)), time.monotonic() + PATIENCE.total_seconds()
    while waiting:
        if time.monotonic() > deadline:
            raise dist.DistStoreError(f"processes {sorted(waiting)} did not come")
        for other in sorted(waiting):
            if store.check([f"heard/{word}/{other}"]):
                waiting.remove(other)
            elif store.check([f"here/{other}"]):
                store.set(f"corner/{store.get(f'here/{other}').decode()}", word)
        time.sleep(0.02)
    return PrefixStore(word, store)


def _shard(settings: recipe.Parallel, count: int) -> int:
    """The processes that share weights, gradients and moments."""
    others = settings.replicate * settings.context * settings.tensor
    shard = settings.shard or max(count // others, 1)
    if shard * others != count:
        raise UsageError(
            f"parallel: shard x replicate x context x tensor is {shard} x {settings.replicate} x {settings.context} x"
            f" {settings.tensor}, and torchrun started {count} process{'es' if count > 1 else ''}"
        )
    return shard


def placed(settings: recipe.Parallel, count: int, device: str) -> Ranks:
    """This process's place among the `count` of torch's process group. Raises UsageError as `joined` does."""
    replicate, context, tensor = settings.replicate, settings.context, settings.tensor
    shard = _shard(settings, count)
    names = ("replicate", "shard", "tensor")
    ranks = Ranks(
        settings,
        dist.get_rank(),
        count,
        init_device_mesh(device, (replicate, shard * context, tensor), mesh_dim_names=names),
    )
    if context == 1:
        return ranks
    names = ("rows", "context", "tensor")
    return replace(
        ranks, context=init_device_mesh(device, (replicate * shard, context, tensor), mesh_dim_names=names)["context"]
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # noqa: PTH123  (a device, no path)
        yield
