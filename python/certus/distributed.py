"""Campaigns and hard questions on many machines: Ray, Dask or joblib run the blocks, and the answer is that of one machine.

A task is a shard of the campaign, as ``certus certify --shard K/N`` runs it, and what comes back is its folder. ``certus merge`` makes one campaign of
all of them and refuses whatever does not fit. So neither the number of workers nor their order nor a block that is run again changes a verdict, a margin
or a proof.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence

from . import _arrays, _campaign, _native, _network
from ._errors import CannotCreateError, UsageError, translated
from ._result import Result, files_of, write_files

if TYPE_CHECKING:
    from ._network import PathLike

    Files = dict[str, bytes]
    Task = Callable[..., Files]

#: Blocks of a campaign: more than there are workers, so that a slow one holds up little, and few enough that each is worth sending.
BLOCKS = 16

#: How often a block is begun again whose worker died. Ray and Dask count by themselves.
RETRIES = 5


def certify(
    net: Any,
    X: Any,
    y: Any = None,
    eps: Any = None,
    *,
    engine: str = "ray",
    blocks: int = BLOCKS,
    client: Any = None,
    n_jobs: int = -1,
    jobs: int = 1,
    progress: "_campaign.Progress" = False,
    out: "Optional[PathLike]" = None,
    overwrite: bool = False,
    **options: Any,
) -> Result:
    """`certus.certify` on the workers of an engine.

    Parameters
    ----------
    net, X, y, eps
        As for :func:`certus.certify`. A path must name the same file on every worker; arrays and networks are sent.
    engine : {"ray", "dask", "joblib"}
        Ray: the cluster that ``ray.init`` connected to, or a local one. Dask: `client`, or the current one, or a local one. joblib: its processes here.
    blocks : int
        Into how many shards the inputs are divided; part of nothing that comes out.
    client : distributed.Client, optional
        For Dask.
    n_jobs : int
        Processes of joblib.
    jobs : int
        Inputs that a worker handles at once.
    progress : bool or callable
        Counts blocks.
    out, overwrite
        As for :func:`certus.certify`.
    **options
        The other options of :func:`certus.certify`, the same on every worker.

    Returns
    -------
    Result
        The report, the counterexamples and the proofs of one machine, but for times. A block whose worker or node died is run again.
    """
    for name in ("shard", "resume"):
        if name in options:
            raise UsageError(f"{name} goes with certus.certify: here the blocks are the shards")
    if blocks < 1:
        raise UsageError("blocks is at least 1")
    if out is not None and not overwrite and os.path.exists(os.path.join(os.fspath(out), "journal.jsonl")):
        # Better said before the work than after it.
        raise CannotCreateError(f"{os.fspath(out)}: there is a campaign in this folder already; replace it by overwrite=True", os.fspath(out))
    shape = None
    if not _arrays.is_file(X):
        X = _arrays.array(X, "X")
        shape = X.shape[1:]
        blocks = max(1, min(blocks, len(X)))
    # Models are exported once, here.
    net = _network.of(net, shape)
    question = {"net": net, "X": X, "y": y, "eps": eps, "jobs": jobs, **options}
    tasks = [(number, blocks) for number in range(1, blocks + 1)]
    with tempfile.TemporaryDirectory(prefix="certus-") as folder:

        def keep(at: int, files: "Files") -> None:
            write_files(os.path.join(folder, f"shard-{at + 1}"), files)

        with _campaign.shown(progress) as told:
            _engine(engine, client, n_jobs)(_block, question, tasks, keep, told)
        return merge([os.path.join(folder, f"shard-{number}") for number, _ in tasks], out, overwrite=overwrite)


def merge(shards: "Sequence[PathLike]", out: "Optional[PathLike]" = None, *, overwrite: bool = False) -> Result:
    """One campaign of its shards, as ``certus merge`` makes it.

    Parameters
    ----------
    shards : sequence of path
        The folders of all shards, in any order.
    out : path, optional
        Folder for the whole campaign; a temporary one otherwise.
    overwrite : bool
        Replace the campaign in `out`.

    Returns
    -------
    Result
    """
    temporary = tempfile.TemporaryDirectory(prefix="certus-") if out is None else None
    target = temporary.name if temporary is not None else os.fspath(out)  # type: ignore[arg-type]
    folders = [os.fspath(shard) for shard in shards]
    line = ["certus", "merge", *folders, "--out", target, *_campaign._switches(overwrite=overwrite)]
    try:
        _, report = _native.call(line)
    except _native.NativeError as native:
        raise translated(native, [*folders, target]) from None
    return Result._of(report, target, temporary)


def _block(question: Mapping[str, Any], shard: tuple[int, int]) -> "Files":
    """One shard, wherever this runs; its folder."""
    import warnings

    question = dict(question)
    with tempfile.TemporaryDirectory(prefix="certus-") as out, warnings.catch_warnings():
        # The merged result says it once.
        warnings.simplefilter("ignore")
        _campaign.certify(question.pop("net"), question.pop("X"), question.pop("y"), question.pop("eps"), out=out, shard=shard, **question)
        return dict(files_of(out))


Keep = Callable[[int, "Files"], None]
Told = Optional[Callable[[int, int, str], object]]


def _engine(name: str, client: Any, n_jobs: int) -> Callable[..., None]:
    if name == "ray":
        return _ray
    if name == "dask":
        return lambda *run: _dask(client, *run)
    if name == "joblib":
        return lambda *run: _joblib(n_jobs, *run)
    raise UsageError(f"engine={name!r}: there are 'ray', 'dask' and 'joblib'")


def _engines_own(module: str, extra: str) -> Any:
    """The package of an engine."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise UsageError(f"this engine needs {module}: pip install 'certus[{extra}]'") from None


def _ray(task: "Task", question: Mapping[str, Any], tasks: Sequence[tuple[int, int]], keep: "Keep", told: "Told") -> None:
    """Ray runs a task again whose worker or node died, as often as it takes."""
    ray = _engines_own("ray", "ray")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    sent = ray.put(dict(question))
    cores = max(int(question.get("jobs") or 1), 1)
    remote = ray.remote(max_retries=-1, num_cpus=cores)(task)
    waiting = {remote.remote(sent, shard): at for at, shard in enumerate(tasks)}
    try:
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            for reference in done:
                keep(waiting.pop(reference), _unwrapped(lambda: ray.get(reference), ray.exceptions.RayTaskError))
                _tell(told, len(tasks) - len(waiting), len(tasks))
    except BaseException:
        for reference in waiting:
            ray.cancel(reference, force=True)
        raise


def _unwrapped(get: "Callable[[], Files]", wrapper: Any) -> "Files":
    """What a task gave; its own exception, without the engine's around it."""
    try:
        return get()
    except wrapper as error:
        raise getattr(error, "cause", None) or error from None


def _dask(client: Any, task: "Task", question: Mapping[str, Any], tasks: Sequence[tuple[int, int]], keep: "Keep", told: "Told") -> None:
    """Dask runs a task again whose worker died, up to its setting ``distributed.scheduler.allowed-failures``; `RETRIES` on top."""
    distributed = _engines_own("distributed", "dask")
    own = None
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError:
            client = own = distributed.Client(processes=True, threads_per_worker=1, dashboard_address=None)
    try:
        sent = client.scatter(dict(question), broadcast=True, hash=False)
        futures = {client.submit(task, sent, shard, pure=False, retries=RETRIES): at for at, shard in enumerate(tasks)}
        done = 0
        for future in distributed.as_completed(list(futures)):
            keep(futures[future], future.result())
            done += 1
            _tell(told, done, len(tasks))
    finally:
        if own is not None:
            own.close()


def _joblib(n_jobs: int, task: "Task", question: Mapping[str, Any], tasks: Sequence[tuple[int, int]], keep: "Keep", told: "Told") -> None:
    """joblib gives up where a worker dies: what is finished is kept, and the rest is begun again."""
    joblib = _engines_own("joblib", "joblib")
    broken = _engines_own("joblib.externals.loky.process_executor", "joblib").BrokenProcessPool
    open_tasks = dict(enumerate(tasks))
    for attempt in range(RETRIES + 1):
        run = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
        try:
            for at, files in run(joblib.delayed(_numbered)(task, question, at, shard) for at, shard in sorted(open_tasks.items())):
                keep(at, files)
                del open_tasks[at]
                _tell(told, len(tasks) - len(open_tasks), len(tasks))
        except broken:
            if attempt == RETRIES:
                raise
        if not open_tasks:
            return


def _numbered(task: "Task", question: Mapping[str, Any], at: int, shard: tuple[int, int]) -> "tuple[int, Files]":
    return at, task(question, shard)


def _tell(told: "Told", done: int, total: int) -> None:
    if told is not None:
        told(done, total, "blocks")
