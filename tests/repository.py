"""A whole repository in miniature: real git, real DVC, real MLflow, the project's own stages, made-up reviews."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow

STAGES = ["ingest", "clean", "validate", "tokenize", "adapt", "finetune", "evaluate", "explain"]


@dataclass(frozen=True)
class Repository:
    """A repository in which commands are run as a user would."""

    root: Path

    def run(self, *command: str, ok: bool = True) -> str:
        """Standard output and error of a command; the test fails where the exit code is not as expected."""
        done = self._execute(command)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run_json(self, *command: str) -> Any:
        """What a command prints as JSON on standard output."""
        done = self._execute(command)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """A command that goes on by itself, in a process group of its own."""
        return subprocess.Popen(
            command, cwd=self.root, env=self._env | env, start_new_session=True, stdout=subprocess.DEVNULL, text=True
        )

    def _execute(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self._env, capture_output=True, text=True, check=False, timeout=400
        )

    @property
    def _env(self) -> dict[str, str]:
        """This environment, without what a surrounding DVC, MLflow or pytest has put into it."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("DVC", "MLFLOW", "PYTEST"))}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GX_ANALYTICS_ENABLED": "false", "DVC_NO_ANALYTICS": "1"}
        # a tiny training is over before MLflow would look at the machine for the first time
        env |= {"MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.02", "MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING": "1"}
        return env | {
            f"GIT_{role}_{what}": "t@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "-m", message)

    def json(self, path: str) -> dict:
        return json.loads((self.root / path).read_text())

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.root}/mlruns/mlflow.db"

    @property
    def store(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.tracking_uri)

    def mlflow_runs(self) -> list:
        experiment = self.store.get_experiment_by_name("starsight")
        return self.store.search_runs([experiment.experiment_id])


def ran(output: str) -> list[str]:
    """Stages that a DVC command really ran, in order."""
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]
