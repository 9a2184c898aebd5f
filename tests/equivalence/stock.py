"""`python -m tests.equivalence.stock APP INITIAL OUT STRATEGY...`: Flower's own deployment, whole, once.

A SuperLink and two SuperNodes on loopback; each strategy is one run, its final arrays OUT/STRATEGY.safetensors.
Anybody who reaches a SuperLink's port can start runs: where root allows, it gets a network namespace of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

PORT = 18000  # in a namespace of its own nobody else has it
PATIENCE = 150.0
ROUNDS = 3


def namespace() -> list[str]:
    """The beginning of a command that runs in its own network, or nothing where that is not allowed."""
    alone = ["unshare", "--net"]
    able = os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip")
    return alone if able and subprocess.run([*alone, "true"], check=False, capture_output=True).returncode == 0 else []


def main() -> int:
    app, initial, out = map(Path, sys.argv[1:4])
    if namespace():
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ.update(
        FLWR_HOME=str(out / "flower"), FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", NO_COLOR="1",
        FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION="1", PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )  # fmt: skip
    with ExitStack() as stack:
        link = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(PORT)]
        stack.enter_context(running(link, out / "superlink.log"))
        control = until("the SuperLink", _connect)
        for number in range(2):
            node = ["flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{PORT}", "--host", "127.0.0.1"]
            node += ["--port", str(PORT + 100 + number), "--node-config", f"partition-id={number}"]
            stack.enter_context(running(node, out / f"supernode-{number}.log"))
        for strategy in sys.argv[4:]:
            target = out / f"{strategy}.safetensors"
            _run(control, app, {"strategy": strategy, "initial": str(initial), "out": str(target), "rounds": ROUNDS})
            assert target.exists(), (out / "superlink.log").read_text()[-3000:]
    return 0


def _connect() -> Any:
    from flwr.proto.control_pb2 import ListRunsRequest
    from flwr.supercore.control.control_http_client import ControlHttpClient

    try:
        control = ControlHttpClient.from_server_address(f"127.0.0.1:{PORT}", True, None, interceptors=[])
        control.ListRuns(ListRunsRequest())
    except Exception:  # noqa: BLE001  whatever it is, the server is not there yet
        return None
    return control


def _run(control: Any, app: Path, config: dict[str, Any]) -> None:
    from flwr.cli.build import build_fab_from_disk
    from flwr.common.serde import fab_to_proto, user_config_to_proto
    from flwr.proto.control_pb2 import ListRunsRequest, StartRunRequest
    from flwr.supercore.fab import Fab

    bundle = build_fab_from_disk(app)
    fab = fab_to_proto(Fab(hashlib.sha256(bundle).hexdigest(), bundle, {}))
    run = control.StartRun(StartRunRequest(fab=fab, override_config=user_config_to_proto(config))).run_id

    def ended() -> bool:
        status = control.ListRuns(ListRunsRequest(run_id=run)).run_dict[run].status
        return bool(status.status == "finished")

    until(f"the run with {config['strategy']}", ended)


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(what: str, look: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.3)
    return found


if __name__ == "__main__":
    sys.exit(main())
