import os
import shutil
import signal
import subprocess

import numpy as np
import pytest


# A shell's background job inherits an ignored Ctrl-C; the tests send one.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def X():
    """2,000 rows around 20 centres."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(20, 24))
    return (centres[rng.integers(0, 20, 2000)] + 0.3 * rng.normal(size=(2000, 24))).astype(np.float32)


@pytest.fixture(scope="session")
def winnow_command():
    """Runs the command line; skips where there is none."""
    path = os.environ.get("WINNOW_COMMAND") or shutil.which("winnow")
    if not path:
        pytest.skip("no winnow command: set WINNOW_COMMAND")

    def run(*words, **kwargs):
        return subprocess.run([path, *map(str, words)], check=True, capture_output=True, **kwargs)

    return run
