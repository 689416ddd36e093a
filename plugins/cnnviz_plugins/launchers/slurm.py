"""A SLURM script: `bash FILE` submits an array job, a task a shard, and a job that merges when all have ended well."""

from __future__ import annotations

import shlex

from cnnviz_jax.plugin import ScriptCase, UsageError
from cnnviz_plugins.launchers.plugin import SlurmConfig


def script(config: SlurmConfig, case: ScriptCase) -> str:
    """Return the script.

    Raises:
        UsageError: A path has a line break, which no `#SBATCH` line can hold.
    """
    for path in (case.run, case.started_in):
        if "\n" in path or '"' in path:
            raise UsageError(f"{path!r} cannot stand in an #SBATCH line: name a path without line breaks and quotes")
    limit = "" if config.at_once is None else f"%{config.at_once}"
    resources = {
        "job-name": case.name,
        "array": f"0-{case.shards - 1}{limit}",
        "time": config.time,
        "partition": config.partition,
        "account": config.account,
        "ntasks": 1,
        "cpus-per-task": config.cpus,
        "gpus-per-task": config.gpus or None,
        "mem": config.memory,
        "signal": f"B:TERM@{config.notice}",
        "requeue": "",
        "open-mode": "append",
        "chdir": f'"{case.started_in}"',
        "output": f'"{case.name}-%A_%a.log"',
    }
    head = [
        f"#SBATCH --{name}{f'={value}' if value != '' else ''}"
        for name, value in resources.items()
        if value is not None
    ]
    final = "|".join(map(str, case.final))
    setup = f"\n{config.setup}" if config.setup else ""
    return f"""#!/usr/bin/env bash
# A sweep in {case.shards} shards. Submit it, and the merge that waits for it, with: bash THIS-FILE
# What has been done is kept in the run folder: submit it again after any end, and it resumes there.
{chr(10).join(head)}
set -u
task=${{1:-${{SLURM_ARRAY_TASK_ID:+shard}}}}

if [[ -z $task ]]; then
  shards=$(sbatch --parsable "$0" shard) || exit 1
  sbatch --dependency="afterok:${{shards%%;*}}" --kill-on-invalid-dep=yes --array=0-0 "$0" merge
  exit
fi
{setup}
if [[ $task == merge ]]; then
  exec {_line("cnnviz", *case.merge)}
fi

# SLURM signals this shell alone: hand it on, and wait until the sweep has saved what it has.
told= sweep=
trap 'told=1; [[ -z $sweep ]] || kill -TERM "$sweep" 2>/dev/null' TERM INT
{_line("cnnviz", *case.words, "--shard")} "$SLURM_ARRAY_TASK_ID/{case.shards}" &
sweep=$!
[[ -z $told ]] || kill -TERM "$sweep" 2>/dev/null
code=0
wait "$sweep" || code=$?
while kill -0 "$sweep" 2>/dev/null; do
  code=0
  wait "$sweep" || code=$?
done
if (( code > 128 )); then  # the signal may have ended the waiting, and the sweep itself since
  wait "$sweep" 2>/dev/null && last=0 || last=$?
  (( last == 127 )) || code=$last
fi

case $code in
  0 | {final.replace("|", " | ")}) exit "$code" ;;  # starting again changes nothing
  {case.again}) ;;  # told to stop, and saved
  *) if (( ${{SLURM_RESTART_COUNT:-0}} >= {case.retries} )); then exit "$code"; fi ;;
esac
# SLURM ends this task when it puts it back into the queue; a task that ended by itself first would count as done.
scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" && sleep 300
exit "$code"
"""


def _line(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
