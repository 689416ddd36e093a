"""The table of commands: one line each, and one file of that name each."""

COMMANDS = {
    "report": "write one offline page: predictions, explanations, filters, receptive fields",
    "explore": "make a folder of pages: one for every layer, unit, image and class of a network",
    "explain": "show where a model looks in images",
    "measure": "measure how faithful a technique's maps are",
    "compare": "set techniques side by side: which is most faithful for a network",
    "recommend": "say which technique to use on images, with the evidence",
    "diff": "compare two networks, or a training's checkpoints, on the same images",
    "intervene": "change values inside a model and show what its scores do",
    "synthesize": "make the inputs that excite channels or classes most",
    "inspect": "show what a model itself holds: filters, receptive fields",
    "survey": "show what units answer to over a folder of images: exemplars, distributions",
    "dictionary": "learn features of a layer beyond its units",
    "find-shortcuts": "find classes that rest on what is no part of their object",
    "name": "say what units may be called, from labels or masks, and refuse what chance gives",
    "sweep": "explain and survey a whole data set, resumable, on any number of devices",
    "sweep-status": "show how far a sweep is",
    "verify": "check everything in a sweep's run folder against its hashes",
    "merge": "join the shards of a sweep",
    "layers": "list the layers of a model",
    "models": "list the networks known by name",
    "techniques": "list the techniques, by kind",
    "adapters": "list the frameworks whose models are understood",
    "renderers": "list the ways to write results",
    "panels": "list what the pages of `cnnviz explore` show of a unit",
    "collections": "list the pages that `cnnviz explore` adds beside those of units",
    "launchers": "list what runs the shards of a sweep elsewhere",
    "logs": "list the logs of trainings that `cv.Monitor` writes to",
    "plugins": "list the plugins, also those skipped, and why",
    "completion": "print the script that lets bash, zsh or fish complete lines",
    "doctor": "check this installation: versions, devices, memory, compiler",
}
"""Verb to its summary; verb `x-y` lives in `cnnviz_jax.cli.commands.x_y` as `run(words, settings) -> int`."""


def overview() -> str:
    """Return what `cnnviz --help` prints."""
    lines = "\n".join(f"  {verb:<14}{summary}" for verb, summary in COMMANDS.items())
    return f"""usage: cnnviz COMMAND ...

See what a convolutional network in JAX has learned.

commands:
{lines}

  cnnviz report                                  the bundled network and images, as cnnviz-report.html
  cnnviz explain occlusion shapes photo.png      one technique, one image
  cnnviz explain occlusion --help                the options of that technique

MODEL is a name that `cnnviz models` lists, or package.module:factory.

options, anywhere on the line:
  --plugin FILE   load an unpackaged plugin file; may be repeated
  --no-plugins    load only the built-in plugins
  --quiet         no progress and no notes, only results and errors
  --debug         show the traceback of every error
  --version       print the version and stop
  -h, --help      this text, or that of a command

exit codes: 0 done, 1 internal error, 2 a mistake in the command or its files, 130 interrupted"""
