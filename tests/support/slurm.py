"""A Slurm of one node, from the packages of the system, for the time of a test."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")

CONFIGURATION = """
ClusterName=eigencode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
KillWait=5
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=60 State=UP OverSubscribe=YES
"""


def missing() -> str:
    """Why no Slurm can be started here; "" if one can."""
    absent = [p for p in PROGRAMS if shutil.which(p) is None and not Path("/usr/sbin", p).exists()]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install slurmctld slurmd slurm-client munge"
    return "" if os.geteuid() == 0 else "slurmd must be started by root"


@contextmanager
def running_slurm(folder: Path) -> Iterator[Path]:
    """Start munge, slurmctld and slurmd with all of their files in this folder; yields the configuration."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    ports = [_free_port(), _free_port()]
    file = folder / "slurm.conf"
    file.write_text(CONFIGURATION.format(host=socket.gethostname(), folder=folder, ports=ports), "utf-8")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    munge = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munged.seed"}
    commands = [
        ["munged", "--foreground", "--force", f"--key-file={key}", *(f"--{k}={folder}/{v}" for k, v in munge.items())],
        ["slurmctld", "-D", "-f", str(file), "-i"],
        ["slurmd", "-D", "-f", str(file), "-N", socket.gethostname()],
    ]
    search = f"{os.environ['PATH']}:/usr/sbin"
    environment = {**os.environ, "SLURM_CONF": str(file), "PATH": search}
    processes = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.out").open("w") as log:
                made = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            processes.append(made)
            time.sleep(1)
        end = time.monotonic() + 60
        while "idle" not in _said(["sinfo", "--noheader", "--format=%t"], environment):
            assert time.monotonic() < end, _logs(folder)
            time.sleep(0.5)
        yield file
    finally:
        subprocess.run(["scancel", "--state=RUNNING"], env=environment, check=False, capture_output=True, timeout=30)
        for made in reversed(processes):
            made.terminate()
            made.wait(30)


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=30).stdout


def _logs(folder: Path) -> str:
    return "\n".join(p.read_text("utf-8", "replace")[-2000:] for p in sorted(folder.glob("*.[lo][ou][gt]")))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
