"""One rank of a group: ``python -m pure_repro.launch.worker run.yaml base prm train``, started by torchrun."""

import json
import os
import sys
import warnings
from pathlib import Path

import yaml
from transformers.utils.logging import disable_progress_bar

from pure_repro.config import Config
from pure_repro.launch.failure import Failure, fail
from pure_repro.launch.group import ADDRESSES, put_addresses
from pure_repro.launch.plan import plan
from pure_repro.launch.stages import run_stages
from pure_repro.launch.watchdog import follow_parent
from pure_repro.models.ranks import join, leave


def main() -> None:
    """Take part in some stages of the frozen configuration."""
    follow_parent()
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")  # DeepSpeed's use of torch
    values = yaml.safe_load(Path(sys.argv[1]).read_text())
    put_addresses(values, json.loads(os.environ.get(ADDRESSES, "{}")))
    config = Config.model_validate(values)
    ranks = join()
    if not ranks.first:
        disable_progress_bar()
    try:
        run_stages(config, plan(config), ranks, only=sys.argv[2:])
    except Failure as failure:
        if ranks.first:
            fail(str(failure), failure.status)
        sys.exit(failure.status)
    leave()


if __name__ == "__main__":
    main()
