"""Steps travel as text, are refused where code or data differ, and survive workers that die."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_steps import DiesOnce, GoWrong, Sleeps, Write
from processes import running_dask, until
from tiny import write

from eigencode.base.errors import EigencodeError, InputError
from eigencode.study import Step, Store, _remote as remote, _workers as workers, execute, plan, read_study
from eigencode.study._claim import Claims
from eigencode.study._order import ordered
from eigencode.study._remote import perform, request
from eigencode.study._workers import engine, job_settings
from eigencode.study.config import Jobs

STUDIES = ("tiny", "paper_published", "calibration_signal", "softhebb_cifar10")


@pytest.mark.parametrize("name", STUDIES)
def test_every_step_of_a_study_is_the_same_after_its_travel(name: str, tmp_path: Path) -> None:
    path = write(tmp_path) if name == "tiny" else Path(name)
    changed = ['data="digits"', "train_images=100", "test_images=50"] if name in STUDIES[1::2] else []
    steps = ordered([c.step for c in plan(read_study(path, changed))])
    for step in {type(s): s for s in steps}.values():
        asked = json.loads(request(step, Store(tmp_path), 1))
        assert remote._read(asked["steps"]) == step
    assert len(steps) > 5


def asked(step: Step, store: Store, **changes: str) -> dict[str, object]:
    """The answer of a worker to a request, of which the last step is changed."""
    text = json.loads(request(step, store, 1))
    text["steps"][-1] |= changes
    found: dict[str, object] = json.loads(perform(json.dumps(text)))
    return found


def test_a_worker_with_other_code_refuses_and_names_both(tmp_path: Path) -> None:
    step, store = Write("a"), Store(tmp_path)
    error = str(asked(step, store, code="of the run")["error"])
    assert "code of write of this worker" in error
    assert step.code in error
    assert "of the run" in error
    assert "settings" in str(asked(step, store, key="write-0")["error"])
    assert not store.has(step)


def test_a_worker_with_other_data_refuses_and_names_both(tmp_path: Path) -> None:
    step = next(s for s in ordered([c.step for c in plan(read_study(write(tmp_path)))]) if s.name == "initial")
    text = json.loads(request(step, Store(tmp_path), 1))
    fields = text["steps"][-1]["is"]["fields"]["data"]["fields"]
    mine, fields["sha256"] = fields["sha256"], "of the run"
    error = json.loads(perform(json.dumps(text)))["error"]
    assert "data set digits of this worker" in error
    assert mine in error
    assert "of the run" in error


def test_a_worker_that_does_not_see_the_store_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LATE_S", 0.1)
    assert "does not see the store" in str(asked(Write("a"), Store(tmp_path))["error"])


def test_a_step_that_no_text_can_represent_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be sent to a worker"):
        request(Write("a", where=tmp_path), Store(tmp_path), 1)  # type: ignore[arg-type]


def test_a_worker_takes_the_claim_over_and_gives_it_back(tmp_path: Path) -> None:
    step, store = Write("a"), Store(tmp_path)
    with Claims(tmp_path / "claims") as claims:
        assert claims.take(step.key)
        answer = asked(step, store)
        assert (answer["error"], answer["taken"], answer["elsewhere"]) == (None, True, False)
        assert store.has(step)
        claims.forget(step.key)
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_worker_leaves_a_step_to_the_one_that_has_taken_it(tmp_path: Path) -> None:
    step, store = Write("a"), Store(tmp_path)
    with Claims(tmp_path / "claims") as run, Claims(tmp_path / "claims") as other:
        assert run.take(step.key)
        assert other.follow(step.key, 1)
        assert asked(step, store)["elsewhere"] is True
        assert not store.has(step)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("local", "wanted: local:N"),
        ("slurn:2", "did you mean 'slurm:2'"),
        ("tcp://here", "wanted"),
        ("local:0", "no workers"),
    ],
)
def test_workers_of_no_known_kind_are_refused(where: str, says: str) -> None:
    with pytest.raises(InputError, match=says), engine(where):
        pass


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such scheduler file"), engine(f"file:{tmp_path}/none.json"):
        pass
    with pytest.raises(InputError, match="end with the run"), engine("local:2", leave_running=True):
        pass


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "eigencode\[cluster\]"'), engine("slurm:2"):
        pass


SCRIPTS = {
    "slurm": ("-p short", "-A lab", "-t 02:00:00", "--cpus-per-task=4", "--mem=8G", "--gres=gpu:2"),
    "pbs": ("-q short", "-A lab", "select=1:ncpus=4:mem=8GB:ngpus=2", "walltime=02:00:00"),
    "sge": ("-q short", "-P lab", "h_rt=02:00:00", "-l gpu=2"),
    "lsf": ("-q short", '-P "lab"', "-W 02:00:00", "-n 4", "num=2"),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_jobs_ask_for_what_the_study_says(kind: str) -> None:
    jobs = Jobs(
        queue="short", account="lab", walltime="02:00:00", memory="8GB", cores=4, gpus=2, setup=("module load x",)
    )
    given = {k: v for k, v in job_settings(kind, jobs).items() if k not in ("scheduler_options", "silence_logs")}
    script = (
        getattr(workers._dask_jobqueue(), workers.JOBS[kind])
        .job_cls("tcp://10.0.0.1:1", name="w", **given)
        .job_script()
    )
    for words in (*SCRIPTS[kind], "module load x", "export OMP_NUM_THREADS=4"):
        assert words in script, script
    assert script.index("export OMP_NUM_THREADS") < script.index("module load x") < script.index("dask_worker")


def test_an_import_leaves_ctrl_c_alone() -> None:
    """dask-jobqueue would make it end the program without any clean-up."""
    before = signal.getsignal(signal.SIGINT)
    sys.modules.pop("dask_jobqueue.runner", None)
    sys.modules.pop("dask_jobqueue", None)
    workers._dask_jobqueue()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_asked_of_a_batch_system_changes_no_key(tmp_path: Path) -> None:
    path = write(tmp_path)
    keys = [
        [c.step.key for c in plan(read_study(path, more))] for more in ([], ['cluster.queue="x"', "cluster.cores=4"])
    ]
    assert keys[0] == keys[1]
    assert "cluster" not in read_study(path, ["cluster.gpus=1"]).model_dump()


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    """The address of a scheduler with two workers that were there before any run."""
    from distributed import LocalCluster

    with workers._settings(), workers._environment(2):
        made = LocalCluster(
            n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0", memory_limit=None
        )
    with made:
        yield made.scheduler_address


def test_the_workers_of_an_existing_dask(dask: str, tmp_path: Path) -> None:
    """Same results as here; a worker that dies once does no harm, one that dies twice fails its step alone."""
    last = Write("c", (Write("a"), DiesOnce("b", (Write("a"),))))
    dies, wrong = GoWrong("dies", how="exit"), GoWrong("wrong")
    store = Store(tmp_path / "there")
    outcome = execute([last, dies, Write("below", (dies,)), wrong], store, dask)
    assert set(outcome.failed) == {dies.key, wrong.key}, outcome.failed
    assert "its process died" in outcome.failed[dies.key]
    assert "ZeroDivisionError" in outcome.failed[wrong.key]
    assert "worker: tcp://127.0.0.1:" in outcome.failed[wrong.key]
    assert [s.name for s in outcome.skipped] == ["write"]
    assert (store.folder(last) / "out.txt").read_text() == "aabc"
    assert list((store.root / "claims").iterdir()) == []
    assert not [*store.root.glob("scratch/*/part-*")]


@pytest.mark.slow
def test_a_scheduler_that_ends_is_told_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """It is killed while its worker computes a step."""
    store, slow = Store(tmp_path / "store"), Sleeps("slow", (Write("first"),))
    with running_dask(tmp_path) as (scheduler, worker):

        def kill() -> None:
            until(lambda: bool([*store.root.glob("claims/sleeps-*.2")]))
            scheduler.kill()

        killing = threading.Thread(target=kill)
        killing.start()
        with pytest.raises(EigencodeError, match="the Dask scheduler has ended"):
            execute([slow], store, f"file:{tmp_path}/scheduler.json")
        killing.join()
        assert worker.wait(60) is not None
        outcome = execute([slow], store)
        assert (len(outcome.done) + len(outcome.cached), outcome.ok) == (2, True)
    assert list((store.root / "claims").iterdir()) == []
    assert list((store.root / "scratch").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("leave", [False, True])
def test_an_interrupt_ends_steps_in_an_existing_dask_unless_they_are_left(tmp_path: Path, leave: bool) -> None:
    store, slow = Store(tmp_path / "store"), Sleeps("slow", (Write("first"),))
    with running_dask(tmp_path) as (scheduler, worker):

        def watch(event: str, step: Step, *_: object) -> None:
            if event == "start" and step == slow:
                threading.Thread(target=interrupt).start()

        def interrupt() -> None:
            until(lambda: bool([*store.root.glob("claims/sleeps-*.2")]))
            os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            execute([slow], store, f"file:{tmp_path}/scheduler.json", watch, leave_running=leave)
        if leave:
            until(store.folder(slow).exists)
        time.sleep(3)
        assert store.folder(slow).exists() == leave
        assert execute([slow], store, f"file:{tmp_path}/scheduler.json").ok
        assert scheduler.poll() is None
        assert worker.poll() is None
    assert list((store.root / "claims").iterdir()) == []
    assert not [*store.root.glob("scratch/*/part-*")]
