"""`evobnn evaluate`: train one genome here and now, and compare with what is recorded."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping

import typer

from evobnn.cli.console import note
from evobnn.cli.loops import compile_first
from evobnn.cli.words import counted
from evobnn.evaluation import WHOLE, Protocol, Stretch, evaluate, run_call
from evobnn.records import FRESH, Evaluation
from evobnn.runs.evaluator import call_of
from evobnn.runs.subject import Subject
from evobnn.snapshot import read_journal
from evobnn.spaces import key
from evobnn.supernet.score import Heir, run_heir


def show(subject: Subject, repeat: int, device: str | None) -> None:
    """Print the outcome of one evaluation beside the recorded one.

    Raises:
        typer.Exit: with code 1, after its traceback, where the evaluation itself raises.
    """
    bench = subject.bench(device or subject.device)
    genome = bench.space.parse(subject.text)
    recipe, prepared = bench.protocol.recipe, bench.prepared
    print(f"{subject.title}, key {key(bench.space, genome)}, repeat {repeat}")
    known = recorded(subject, repeat, bench.protocol)
    stretch, own = Stretch(known.rung) if known else WHOLE, subject.experiment.evaluation.said
    inherits = bench.protocol.inherits and repeat < FRESH and subject.run is not None
    how = f"by the function {own}"
    if not own:
        epochs = counted(stretch.epochs or recipe.epochs, "epoch")
        images = f"{prepared.train_count:,} images of {prepared.name}"
        if inherits:
            epochs = f"weights of a shared network of {counted(bench.protocol.shared.epochs, 'epoch')}"
        how = f"{epochs} on {images}, {bench.device}, {recipe.precision}"
    print(how, flush=True)
    compile_first(not own and recipe.kernels == "fused" and bench.device == "cpu", on_stderr=True)
    try:
        if subject.additions.evaluation is not None:
            root, function = subject.experiment.seed, subject.additions.evaluation
            fresh = run_call(call_of(function, bench, root, genome, repeat))
        elif inherits and subject.run is not None:
            heir = Heir(bench, str(genome), subject.experiment.seed, str(subject.run.path.resolve()))
            fresh = run_heir(heir)
        else:
            seed = bench.seed(subject.experiment.seed, genome, repeat)
            fresh = evaluate(bench, genome, seed, catch=False, stretch=stretch)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        raise typer.Exit(1) from error
    if fresh.traceback:
        print(fresh.traceback, file=sys.stderr, end="")
        raise typer.Exit(1)
    _print(fresh, known)


def recorded(subject: Subject, repeat: int, protocol: Protocol) -> Evaluation | None:
    """Return the last outcome that the run's journal or generations hold for this repeat, or None.

    Where it was measured under another protocol, that is said on stderr.
    """
    member, run = subject.member, subject.run
    if member is None or run is None:
        return None
    told = run.generations[-1].header.get("protocol")
    if told is not None and told != protocol.fingerprint():
        note(f"the record was made under another protocol, with {protocol.changed_since(told)}.")
    results = [result for generation in run.generations for result in generation.results]
    for result in reversed(results):
        if (result.request.individual.key, result.request.repeat) == (member.individual.key, repeat):
            return result.evaluation
    entries, _ = read_journal(run.path / "journal.jsonl")
    found = [e.evaluation for e in entries if (e.key, e.repeat) == (member.individual.key, repeat)]
    return found[-1] if found else None


def _print(fresh: Evaluation, known: Evaluation | None) -> None:
    print(f"\n{'':14}{'fresh':>18}{'recorded':>18}")
    print(f"{'status':14}{fresh.status!s:>18}{str(known.status) if known else '–':>18}{_verdict(fresh, known)}")
    old: Mapping[str, float] = {**known.objectives, **known.known_measures} if known else {}
    new: Mapping[str, float] = {**fresh.objectives, **fresh.known_measures}
    for name in dict.fromkeys([*new, *old]):
        line = f"{name:14}{_number(new.get(name)):>18}{_number(old.get(name)):>18}"
        if name in new and name in old:
            line += "  equal" if new[name] == old[name] else f"  difference {new[name] - old[name]:+.6g}"
        print(line)
    print(f"{'seconds':14}{fresh.seconds:>18.2f}{f'{known.seconds:.2f}' if known and known.seconds else '–':>18}")
    if fresh.message:
        print(f"\n{fresh.message}")


def _verdict(fresh: Evaluation, known: Evaluation | None) -> str:
    if known is None:
        return "  not recorded"
    return "  equal" if fresh.status is known.status else "  difference"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.10g}"
