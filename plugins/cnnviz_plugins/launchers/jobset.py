"""A Kubernetes JobSet: an indexed job with a pod a shard, and a job that merges once that is complete.

Strings are quoted as JSON does it, which YAML reads, so that no word of a command line can become anything else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cnnviz_jax.plugin import ScriptCase
from cnnviz_plugins.launchers.plugin import JobSetConfig


def script(config: JobSetConfig, case: ScriptCase) -> str:
    """Return the manifest."""
    shard = [*map(_literal, ("cnnviz", *case.words)), "--shard", f"$(JOB_COMPLETION_INDEX)/{case.shards}"]
    merge = [_literal(word) for word in ("cnnviz", *case.merge)]
    jobs = [
        {
            "name": "shards",
            "template": {
                "spec": {
                    "completionMode": "Indexed",
                    "completions": case.shards,
                    "parallelism": min(case.shards, config.at_once or case.shards),
                    "backoffLimitPerIndex": case.retries,
                    "podFailurePolicy": _policy(case),
                    "template": _pod(config, shard),
                }
            },
        },
        {
            "name": "merge",
            "dependsOn": [{"name": "shards", "status": "Complete"}],
            "template": {"spec": {"backoffLimit": case.retries, "template": _pod(config, merge)}},
        },
    ]
    manifest = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": case.name} | ({"namespace": config.namespace} if config.namespace else {}),
        "spec": {"network": {"enableDNSHostnames": False}, "replicatedJobs": jobs},
    }
    head = (
        f"# A sweep in {case.shards} shards, and their merge: kubectl apply -f THIS-FILE\n"
        f"# Paths are those inside the containers; relative ones begin in {config.mount!r}. Applied again after being\n"
        "# deleted, it goes on from what lies in the run folder. Needs JobSet 0.8 and Kubernetes 1.29, or newer.\n"
    )
    return head + "\n".join(_lines(manifest)) + "\n"


def _policy(case: ScriptCase) -> dict[str, Any]:
    """Return which ends are final, and which are nobody's fault."""
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": list(case.final)}},
            {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [case.again]}},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }


def _pod(config: JobSetConfig, command: list[str]) -> dict[str, Any]:
    size: dict[str, Any] = {"cpu": str(config.cpus), "memory": config.memory}
    if config.gpus:
        size["nvidia.com/gpu"] = str(config.gpus)
    container = {
        "name": "cnnviz",
        "image": config.image,
        "command": command,
        "workingDir": config.mount,
        "resources": {"requests": size, "limits": size},
        "volumeMounts": [{"name": "data", "mountPath": config.mount}],
    }
    return {
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": config.grace,
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": config.claim}}],
        }
    }


def _literal(word: str) -> str:
    """Return a word in which Kubernetes replaces nothing."""
    return word.replace("$", "$$")


def _lines(value: Any, indent: str = "") -> list[str]:
    """Return mappings and lists as blocks of YAML, all else as JSON."""
    if isinstance(value, dict):
        found = []
        for name, each in value.items():
            found += _entry(f"{indent}{json.dumps(name) if '/' in name else name}:", each, indent)
        return found
    found = []
    for each in value:
        first, *rest = _lines(each, f"{indent}  ") if isinstance(each, dict) else [f"{indent}  {_scalar(each)}"]
        found += [f"{indent}- {first[len(indent) + 2 :]}", *rest]
    return found


def _entry(head: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, dict) or (isinstance(value, Sequence) and not isinstance(value, str)):
        return [head, *_lines(value, f"{indent}  ")]
    return [f"{head} {_scalar(value)}"]


def _scalar(value: str | int | bool) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    """Return a text as YAML's double quotes hold it, in ASCII."""
    # JSON writes a character beyond 16 bits as two halves, which YAML would read as two.
    letters = (f"\\U{ord(each):08x}" if ord(each) > 0xFFFF else json.dumps(each)[1:-1] for each in text)
    return f'"{"".join(letters)}"'
